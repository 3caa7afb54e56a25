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
  static std::atomic<std::uint64_t> exchanges{1};
  return std::make_shared<version>(shared, key, combinable ? with.pinned : origin::validator{}, with.length_bytes,
                                   (std::uint64_t{1} << 63) | exchanges.fetch_add(1));
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

std::shared_ptr<object> object_table::get(const origin::identity& name, std::size_t limit, bool& made) {
  const auto key = name.key128();
  std::vector<std::shared_ptr<object>> gone; // destroyed after the lock: that may touch the tiers
  shard& in = shard_of(key);
  const std::lock_guard lock(in.mutex);
  const auto found = in.objects.find(key);
  made = found == in.objects.end();
  if (!made && found->second->name.canonical() == name.canonical()) {
    found->second->used.store(true, std::memory_order_relaxed);
    return found->second;
  }
  if (!made) { // 128 equal bits of two names: the newcomer takes the place
    gone.push_back(found->second);
    found->second = std::make_shared<object>(name);
    made = true;
    return found->second;
  }
  make_room(in, std::max<std::size_t>(1, limit / shard_count), gone);
  auto fresh = std::make_shared<object>(name);
  in.objects.emplace(key, fresh);
  in.order.push_back(key);
  size_.fetch_add(1, std::memory_order_relaxed);
  return fresh;
}

std::shared_ptr<object> object_table::find(const origin::identity& name) {
  const auto key = name.key128();
  shard& in = shard_of(key);
  const std::lock_guard lock(in.mutex);
  const auto found = in.objects.find(key);
  return found == in.objects.end() ? nullptr : found->second;
}

void object_table::make_room(shard& in, std::size_t limit, std::vector<std::shared_ptr<object>>& gone) {
  // Each object gets at most one second chance per turn, so the loop ends.
  for (std::size_t steps = 2 * in.order.size(); in.objects.size() >= limit && steps > 0; --steps) {
    const auto key = in.order.front();
    in.order.pop_front();
    const auto found = in.objects.find(key);
    const bool busy = found->second.use_count() > 1 || found->second->used.exchange(false, std::memory_order_relaxed);
    if (busy) {
      in.order.push_back(key);
      continue;
    }
    gone.push_back(std::move(found->second));
    in.objects.erase(found);
    size_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void object_table::each(const std::function<void(const std::shared_ptr<object>&)>& visit) {
  for (shard& in : shards_) {
    std::vector<std::shared_ptr<object>> here;
    {
      const std::lock_guard lock(in.mutex);
      here.reserve(in.objects.size());
      for (const auto& [key, each] : in.objects) here.push_back(each);
    }
    for (const auto& each : here) visit(each);
  }
}

} // namespace forebay::cache
