#include "storage/ghost_table.h"

#include <algorithm>
#include <bit>

namespace forebay::storage {

std::uint64_t ghost_table::bucket_count_for(std::uint64_t entries) noexcept {
  return std::bit_floor(std::max<std::uint64_t>(entries / std::tuple_size_v<bucket>, 1));
}

ghost_table::bucket& ghost_table::bucket_of(std::uint64_t fingerprint) noexcept {
  return buckets_[fingerprint & (buckets_.size() - 1)];
}

std::uint32_t ghost_table::tag_of(std::uint64_t fingerprint) noexcept {
  return static_cast<std::uint32_t>(fingerprint >> 32) | 1; // never 0, which marks an empty entry
}

void ghost_table::insert(std::uint64_t fingerprint, std::uint32_t grains) noexcept {
  now_grains_ += grains;
  bucket& where = bucket_of(fingerprint);
  const std::uint32_t tag = tag_of(fingerprint);
  const auto age = [this](const entry& of) { return of.tag == 0 ? UINT32_MAX : now_grains_ - of.time; };
  entry* chosen = &where.front();
  for (entry& candidate : where) {
    if (candidate.tag == tag) {
      chosen = &candidate;
      break;
    }
    if (age(candidate) > age(*chosen)) chosen = &candidate;
  }
  *chosen = {tag, now_grains_};
}

bool ghost_table::take(std::uint64_t fingerprint, std::uint64_t window_grains) noexcept {
  const std::uint32_t tag = tag_of(fingerprint);
  for (entry& candidate : bucket_of(fingerprint)) {
    if (candidate.tag != tag) continue;
    const bool lately = now_grains_ - candidate.time <= window_grains;
    candidate = {};
    return lately;
  }
  return false;
}

} // namespace forebay::storage
