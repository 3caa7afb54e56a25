#include "cache/object.h"

#include <algorithm>

namespace forebay::cache {

std::shared_ptr<version> object::version_for(const std::shared_ptr<engine>& shared, const stored_head& with,
                                             std::uint64_t begun) {
  bool damaged = false;
  const auto same = [&](const std::shared_ptr<version>& each) {
    const bool alike = each != nullptr && with.pinned && each->pinned() == with.pinned && with.length_bytes &&
                       each->length() == *with.length_bytes;
    damaged = damaged || (alike && each->broken());
    return alike && !each->broken();
  };
  if (same(current)) {
    current->set_current();
    return current;
  }
  for (const auto& each : former) {
    // An object that was replaced and put back (A, B, A): two versions under one key must not live at once, or the end
    // of the one would take the bytes of the other along.
    const auto alive = each.lock();
    if (!same(alive)) continue;
    alive->set_current();
    return alive;
  }
  const bool combinable = with.pinned && with.length_bytes;
  if (combinable && begun == generation && !damaged) {
    return std::make_shared<version>(shared, key, with.pinned, with.length_bytes, generation);
  }
  // Nothing tells this body from the next one, or it was asked for before a purge, and those who wait for it are the
  // last to see it, or what came under its name before did not match the store's checksum and somebody still holds
  // that: it is a version of its own.
  return version::of_its_own(shared, key, combinable ? with.pinned : origin::validator{}, with.length_bytes);
}

void object::forget(std::uint64_t next_generation) {
  generation = next_generation; // an exchange in progress installs nothing
  asking.reset();
  clear();
  former.clear(); // a version that comes back is fetched anew, under the new generation
  negative.reset();
  pass_until = {};
}

void object::clear() {
  head.reset();
  if (current != nullptr) {
    std::erase_if(former, [this](const auto& each) { return each.expired() || each.lock() == current; });
    former.push_back(current);
    current.reset();
  }
}

} // namespace forebay::cache
