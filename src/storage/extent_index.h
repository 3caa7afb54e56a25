// Which blocks of which version are in memory: a sharded hash table of versions, each with its blocks in order.
#pragma once

#include <array>
#include <boost/intrusive/set.hpp>
#include <mutex>
#include <optional>
#include <vector>

#include "base/byte_range.h"
#include "storage/held_block.h"

namespace forebay::storage {

struct block_offset {
  using type = std::uint64_t;
  std::uint64_t operator()(const held_block& of) const noexcept { return of.offset(); }
};

/// The blocks of one version, by offset. A red-black tree through the blocks: no allocation when a block comes or
/// goes, and no long move when one leaves from the middle of thousands.
using block_tree =
    boost::intrusive::set<held_block, boost::intrusive::base_hook<tree_hook>,
                          boost::intrusive::key_of_value<block_offset>, boost::intrusive::constant_time_size<false>>;

struct version_record {
  version_key key{};
  version_record* after = nullptr; ///< in its bucket, or in its slab's free list
  block_tree blocks;
};
static_assert(sizeof(version_record) <= 64);

/// Readers take the lock of the version's shard and no other. Who changes the index holds the tier's lock, and the
/// shard's for the change itself; so the holder of the tier's lock may look without the shard's. Costs, beside 128
/// bytes a block, 64 a version and 8 a bucket (one bucket for each 16 KiB of capacity).
class extent_index {
public:
  static constexpr std::size_t shard_count = 64; ///< more than cores that look up at once, few enough to be nothing

  explicit extent_index(std::uint64_t capacity_bytes) { rehash(bucket_count_for(capacity_bytes)); }

  std::mutex& lock_of(const version_key& version) const noexcept { return shard_of(version).lock; }

  /// The block that covers `at`, ready there or not.
  held_block* covering(const version_key& version, std::uint64_t at) const noexcept;
  /// Bytes free of blocks from `at` on; 0 where it is covered, UINT64_MAX with nothing behind.
  std::uint64_t gap_at(const version_key& version, std::uint64_t at) const noexcept;
  std::optional<byte_range> first_ready_run(const version_key& version, byte_range within) const noexcept;
  std::uint64_t ready_bytes(const version_key& version) const noexcept;

  /// What `insert` of a block of this version adds to `memory_bytes`.
  std::uint64_t growth_bytes(const version_key& version) const noexcept;
  /// Tier's lock and shard's lock held. The block overlaps none.
  void insert(held_block& added);
  void remove(held_block& gone) noexcept;
  /// Removes all blocks of a version and passes each to `taken`.
  template <class F>
  void remove_all(const version_key& version, F taken) {
    version_record* record = find(version);
    if (record == nullptr) return;
    record->blocks.clear_and_dispose([&taken](held_block* gone) { taken(*gone); });
    forget(*record);
  }

  /// Fits the buckets to a new capacity. Tier's lock held; takes one shard's lock after the other.
  static std::size_t bucket_count_for(std::uint64_t capacity_bytes) noexcept;
  void rehash(std::size_t buckets_per_shard);
  static std::uint64_t bucket_bytes(std::size_t buckets_per_shard) noexcept {
    return buckets_per_shard * shard_count * sizeof(version_record*);
  }
  /// Without the shards themselves.
  std::uint64_t memory_bytes() const noexcept;

private:
  struct alignas(64) shard {
    mutable std::mutex lock;
    std::vector<version_record*> buckets;
  };

  static std::uint64_t spread(const version_key& version) noexcept {
    return version.prefix() * 0x9E3779B97F4A7C15ull; // keys need not be uniform in tests; the golden ratio's bits
  }
  shard& shard_of(const version_key& version) const noexcept { return shards_[spread(version) >> 58]; }
  static version_record*& bucket_of(shard& in, const version_key& version) noexcept {
    return in.buckets[(spread(version) >> 20) & (in.buckets.size() - 1)];
  }
  version_record* find(const version_key& version) const noexcept;
  void forget(version_record& record) noexcept;

  mutable std::array<shard, shard_count> shards_;
  slab<version_record> records_;
  std::size_t buckets_per_shard_ = 0;
};

} // namespace forebay::storage
