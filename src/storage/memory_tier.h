// The memory tier: extents in pages of one memfd, evicted by S3-FIFO, lent out under pins.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "net/slice.h"
#include "storage/keys.h"
#include "storage/tier.h"

namespace forebay::storage {

class memory_tier;

/// A run of at most `memory_tier::block_bytes` bytes of one version, in consecutive pages. Its bytes become
/// readable from the front as a fill writes them: `ready_bytes` only grows, with release order, so a reader
/// that acquires it may look at that many. Pinned while anybody holds a slice of it or fills it; pages are
/// reused only at zero pins, and are punched out of the file first if a socket may still hold them (sendfile
/// lends pages to the kernel until the peer has acknowledged them).
class block final : public net::pinnable {
public:
  std::uint64_t offset() const noexcept { return offset_; }               ///< within the object
  std::size_t capacity_bytes() const noexcept { return capacity_bytes_; } ///< planned length, not rounded to pages
  std::size_t ready_bytes() const noexcept { return ready_bytes_.load(std::memory_order_acquire); }
  /// Where a fill writes next. Only the one fill that reserved the block calls it.
  std::span<std::byte> writable() noexcept;
  /// `count` more bytes of `writable()` now hold the object's bytes.
  void publish(std::size_t count) noexcept;

private:
  friend class memory_tier;
  friend class memory_tier_access;
  void released() noexcept override;
  memory_tier* owner_ = nullptr;
  version_key version_{};
  std::uint64_t offset_ = 0;
  std::size_t capacity_bytes_ = 0;
  std::atomic<std::size_t> ready_bytes_{0};
  // Further private members are the implementer's.
};

/// A block that a fill writes; destroying it without `commit` keeps what is ready, down to a whole grain, and
/// gives the rest back.
class reservation {
public:
  reservation() = default;
  reservation(reservation&&) noexcept = default;
  reservation& operator=(reservation&&) noexcept;
  ~reservation();
  explicit operator bool() const noexcept { return block_ != nullptr; }
  block* operator->() const noexcept { return block_; }
  /// Ends the writing: the block holds `ready_bytes()` (a whole grain, or up to the object's end), is subject
  /// to eviction from now on. `keep_partial_grain`: the bytes reach the object's end.
  void commit(bool reaches_object_end);
  /// Ends the writing and forgets the block (its bytes proved wrong).
  void discard();

private:
  friend class memory_tier;
  block* block_ = nullptr;
  net::pin hold_;
};

/// Bytes of a version that are in memory: the first held run at or after the wanted offset.
struct held_run {
  std::uint64_t offset = 0;         ///< where `slices` begin, within the object
  std::vector<net::slice> slices;   ///< consecutive
};

struct memory_tier_settings {
  std::uint64_t capacity_bytes = 256ull << 20;
  std::size_t block_bytes = 1u << 20;      ///< longest block; a power of two, at least a grain
  unsigned small_queue_percent = 10;       ///< S3-FIFO's small queue
  std::uint64_t tenant_quota_bytes = 0;    ///< 0: none (per-tenant quotas come with the segment store)
};

/// Thread-safe. A lookup takes one shard's lock; inserting and evicting take the allocator's. Capacity counts
/// pages, index entries and ghosts. Never blocks on anything but those short locks.
class memory_tier {
public:
  static result<std::unique_ptr<memory_tier>> make(memory_tier_settings settings);
  ~memory_tier(); ///< no slice may be alive any more

  /// The bytes of `version` readable at `at`: one slice of the block that holds it (its ready part from `at`,
  /// clipped to `limit`), empty when `at` is not in memory or not yet ready. Counts as a use for eviction.
  net::slice read(const version_key& version, std::uint64_t at, std::uint64_t limit);
  /// True when a block (ready there or still being filled) covers `at`.
  bool covers(const version_key& version, std::uint64_t at) const;
  /// The first run of ready bytes at or after `within.begin`, clipped to `within`; nothing where there is none.
  /// No pins: a plan, to be checked again by `read`.
  std::optional<byte_range> find(const version_key& version, byte_range within) const;

  /// Room for up to `length_bytes` bytes at `offset` (a grain, or 0) of `version`; gives one block, maybe shorter
  /// than asked (at most `block_bytes`, never overlapping a block that is there). Evicts as needed; exhausted when everything is pinned.
  result<reservation> reserve(const version_key& version, std::uint64_t offset, std::uint64_t length_bytes,
                              tenant_id tenant);
  /// Forgets all blocks of a version (purge, change). Readers keep what they pinned.
  void erase(const version_key& version);
  /// Bytes of a version that are held.
  std::uint64_t held_bytes(const version_key& version) const;

  /// Called (any thread) when a block leaves by eviction, with its bytes still pinned: the disk tier takes it here.
  using evicted_hook = void (*)(void* context, const version_key&, const block&, net::slice bytes, tenant_id);
  void set_evicted_hook(evicted_hook hook, void* context);

  /// New capacity (reload); shrinking evicts.
  void resize(std::uint64_t capacity_bytes);
  struct usage {
    std::uint64_t capacity_bytes, held_bytes, pinned_bytes, index_bytes, blocks, evicted_blocks, evicted_bytes,
        punched_bytes, ghost_hits;
  };
  usage usage_now() const;
  const memory_tier_settings& settings() const noexcept;

private:
  friend class block;
  friend class reservation;
  explicit memory_tier(memory_tier_settings settings);
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace forebay::storage
