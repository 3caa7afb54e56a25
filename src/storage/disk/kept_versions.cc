#include "storage/disk/kept_versions.h"

namespace forebay::storage::disk {

void kept_versions::set_question(question ask) {
  const std::lock_guard guard(mutex_);
  ask_ = std::move(ask);
}

void kept_versions::note(std::uint64_t version_prefix, const object_key& object) {
  const std::lock_guard guard(mutex_);
  objects_.insert_or_assign(version_prefix, object);
}

bool kept_versions::holds(std::uint64_t version_prefix) const {
  const std::lock_guard guard(mutex_);
  return objects_.contains(version_prefix);
}

std::vector<std::pair<std::uint64_t, object_key>> kept_versions::all() const {
  const std::lock_guard guard(mutex_);
  return {objects_.begin(), objects_.end()};
}

bool kept_versions::confirm(std::uint64_t version_prefix) {
  std::optional<object_key> object;
  question ask;
  {
    const std::lock_guard guard(mutex_);
    const auto found = objects_.find(version_prefix);
    if (found == objects_.end()) return false;
    object = found->second;
    ask = ask_;
  }
  if (ask && ask(*object, version_prefix)) return true;
  const std::lock_guard guard(mutex_);
  // Noted again meanwhile, for another object even: then that holds, and the next look asks again.
  const auto found = objects_.find(version_prefix);
  if (found != objects_.end() && found->second == *object) objects_.erase(found);
  return false;
}

} // namespace forebay::storage::disk
