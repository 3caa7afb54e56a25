// What S3-FIFO remembers of blocks it let go: a fingerprint each, no bytes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "storage/keys.h"

namespace forebay::storage {

/// Fingerprint of a block's place. Blocks begin where the same reads begin them, so an evicted block comes back under
/// the same one.
constexpr std::uint64_t ghost_fingerprint(std::uint64_t version_prefix, std::uint64_t offset) noexcept {
  std::uint64_t mixed = version_prefix ^ (offset * 0x9E3779B97F4A7C15ull); // the golden ratio: odd, bits well spread
  mixed ^= mixed >> 32;
  mixed *= 0xD6E8FEB86659FD93ull; // an odd multiplier of a published 64-bit mixer
  return mixed ^ (mixed >> 32);
}

/// The ghost queue as a set-associative table: eight entries a bucket, the oldest gives way. Time is counted in grains
/// let go, so that the table's reach is measured in bytes whatever the sizes of the blocks are. 8 bytes an entry, all
/// of it allocated at once and charged to the tier. A colliding fingerprint (8 in 2^31) costs one wrong promotion.
/// Not thread-safe: the tier's lock guards it.
class ghost_table {
public:
  /// Room for `entries`, rounded down to a power of two; at least one bucket.
  explicit ghost_table(std::uint64_t entries) : buckets_(bucket_count_for(entries)) {}
  static std::uint64_t memory_bytes_for(std::uint64_t entries) noexcept {
    return bucket_count_for(entries) * sizeof(bucket);
  }

  /// Remembers a block of `grains` that is let go now.
  void insert(std::uint64_t fingerprint, std::uint32_t grains) noexcept;
  /// True, and forgotten, when the block was let go no longer than `window_grains` ago.
  bool take(std::uint64_t fingerprint, std::uint64_t window_grains) noexcept;

  std::uint64_t memory_bytes() const noexcept { return buckets_.size() * sizeof(bucket); }

private:
  struct entry {
    std::uint32_t tag = 0; ///< 0: empty
    std::uint32_t time = 0;
  };
  using bucket = std::array<entry, 8>;

  static std::uint64_t bucket_count_for(std::uint64_t entries) noexcept;
  bucket& bucket_of(std::uint64_t fingerprint) noexcept;
  static std::uint32_t tag_of(std::uint64_t fingerprint) noexcept;

  std::vector<bucket> buckets_;
  std::uint32_t now_grains_ = 0; ///< wraps after 16 TiB, which makes one very old ghost look young
};

} // namespace forebay::storage
