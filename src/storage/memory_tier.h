// The memory tier: extents in pages of one memfd, evicted by S3-FIFO, lent out under pins.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "net/slice.h"
#include "storage/keys.h"
#include "storage/tier.h"

namespace forebay::storage {

class memory_tier;

/// A run of at most `memory_tier::block_bytes` bytes of one version, in consecutive pages. Its bytes become
/// readable from the front as a fill writes them: `ready_bytes` only grows while it is filled, with release order, so
/// a reader that acquires it may look at that many (an early end of the fill cuts it to whole grains). Pinned while
/// anybody holds a slice of it or fills it; pages are reused only at zero pins, and are punched out of the file first
/// if a socket may still hold them (sendfile lends pages to the kernel until the peer has acknowledged them).
///
/// Owned by its tier. The index holds one pin of its own on every block in it, so the last pin goes only when the
/// block has left the index and every reader and its fill are done.
class block : public net::pinnable {
public:
  const version_key& version() const noexcept { return version_; }
  std::uint64_t offset() const noexcept { return offset_; }               ///< within the object
  std::size_t capacity_bytes() const noexcept { return capacity_bytes_; } ///< planned length, not rounded to pages
  std::size_t ready_bytes() const noexcept { return ready_bytes_.load(std::memory_order_acquire); }
  /// What a fill has still to write. Only the one fill that reserved the block calls it. Write through the span (a
  /// socket or a file may be read into it), never through the tier's file.
  std::span<std::byte> writable() noexcept { return {data_ + ready_bytes(), capacity_bytes_ - ready_bytes()}; }
  /// `count` more bytes of `writable()` now hold the object's bytes.
  void publish(std::size_t count) noexcept;

protected:
  block() = default;
  ~block() = default;

private:
  friend class memory_tier;
  friend class reservation;
  void released() noexcept override;

  /// Where the last read ended, within the block: a read that begins before it is another pass over the bytes.
  std::atomic<std::uint32_t> read_end_{0};
  memory_tier* owner_ = nullptr;
  version_key version_{};
  std::uint64_t offset_ = 0;
  std::size_t capacity_bytes_ = 0;
  std::atomic<std::size_t> ready_bytes_{0};
  std::byte* data_ = nullptr;
};

/// A block that a fill writes; destroying it without `commit` keeps what is ready, down to a whole grain, and
/// gives the rest back. For one thread at a time; gone before its tier is.
class reservation {
public:
  reservation() = default;
  reservation(reservation&& other) noexcept;
  reservation& operator=(reservation&& other) noexcept;
  ~reservation() { finish(false); }
  explicit operator bool() const noexcept { return block_ != nullptr; }
  block* operator->() const noexcept { return block_; }
  /// At most `most_bytes` of `writable()`, with memory under them: faults of fresh pages would cost as much again.
  std::span<std::byte> room(std::size_t most_bytes = SIZE_MAX) noexcept;
  /// Ends the writing: the block holds `ready_bytes()`, cut to a whole grain unless the bytes reach the object's end,
  /// and is subject to eviction from now on. A block with nothing left is forgotten.
  void commit(bool reaches_object_end) { finish(reaches_object_end); }
  /// Ends the writing and forgets the block (its bytes proved wrong). Readers keep what they pinned.
  void discard();

private:
  friend class memory_tier;
  reservation(block& reserved, std::span<std::byte> untouched) noexcept
      : block_(&reserved), hold_(&reserved), untouched_(untouched) {}
  void finish(bool reaches_object_end) noexcept;
  block* block_ = nullptr;
  net::pin hold_;
  std::span<std::byte> untouched_; ///< pages at the block's end that hold no memory yet
};

struct memory_tier_settings {
  std::uint64_t capacity_bytes = 256ull << 20;
  /// Longest block; a power of two, at least a grain. Lowered by `make` to a sixteenth of the capacity, so that the
  /// small queue of a small tier holds a block and a handful of fills can run.
  std::size_t block_bytes = 1u << 20;
  unsigned small_queue_percent = 10;    ///< S3-FIFO's small queue
  std::uint64_t tenant_quota_bytes = 0; ///< 0: none (per-tenant quotas come with the segment store)
};

/// Thread-safe. A lookup takes one shard's lock; inserting and evicting take the allocator's. Capacity counts
/// pages, index entries and ghosts, and the memory that the system holds for the tier never exceeds it (but for what
/// is pinned while it shrinks). Never blocks on anything but those short locks.
class memory_tier {
public:
  /// The least capacity: below it the tables would be most of it.
  static constexpr std::uint64_t capacity_bytes_min = 256u << 10;
  /// The most: page numbers have 32 bits, and there are two for each page of capacity.
  static constexpr std::uint64_t capacity_bytes_max = 8ull << 40;

  /// invalid_input for settings out of range; exhausted or unsupported with the system's reason when there is no
  /// memory file.
  static result<std::unique_ptr<memory_tier>> make(memory_tier_settings settings);
  ~memory_tier(); ///< no slice and no reservation may be alive any more

  /// The bytes of `version` readable at `at`: one slice of the block that holds it (its ready part from `at`,
  /// up to the offset `limit` within the object), empty when `at` is not in memory or not yet ready. Counts as a use
  /// for eviction when it begins before the end of the block's last read: the first pass over new bytes, in however
  /// many reads, is the miss that brought them. From the second pass on, slices of `net::sendfile_threshold_bytes` and
  /// more carry the file; the others are memory only.
  net::slice read(const version_key& version, std::uint64_t at, std::uint64_t limit);
  /// True when a block (ready there or still being filled) covers `at`.
  bool covers(const version_key& version, std::uint64_t at) const;
  /// The first run of ready bytes at or after `within.begin`, clipped to `within`; nothing where there is none.
  /// No pins: a plan, to be checked again by `read`.
  std::optional<byte_range> find(const version_key& version, byte_range within) const;

  /// Room for up to `length_bytes` bytes at `offset` (a grain, or 0) of `version`; gives one block, maybe shorter
  /// than asked: it never overlaps a block that is there and never crosses a multiple of `block_bytes` of the object
  /// (so that the same reads cut the same blocks, and eviction knows them again). Evicts as needed. exhausted
  /// (retryable) when everything it looked at is pinned; invalid_input when `offset` is off the grain or covered.
  /// `lasting`: the lower tier may want the bytes when they leave; others go without a word to the hook.
  result<reservation> reserve(const version_key& version, std::uint64_t offset, std::uint64_t length_bytes,
                              tenant_id tenant, bool lasting = false);
  /// Forgets all blocks of a version (purge, change), those being filled too. Readers keep what they pinned.
  void erase(const version_key& version);
  /// Bytes of a version that are ready. Walks its blocks.
  std::uint64_t held_bytes(const version_key& version) const;

  /// Called (any thread) when a lasting block leaves by eviction, with its bytes still pinned: the disk tier takes it
  /// here. No lock of the tier is held. The slice carries no file: its bytes are for reading, not for a socket.
  /// What the hook keeps still costs memory, so that `reserve` goes on to the next block: keep a bounded number.
  using evicted_hook = void (*)(void* context, const version_key&, const block&, net::slice bytes, tenant_id);
  void set_evicted_hook(evicted_hook hook, void* context);

  /// New capacity (reload), at least `capacity_bytes_min`; shrinking evicts. What is pinned then may stay until a
  /// `reserve` after its last pin. Growing past what the system gives keeps the old capacity and says so in the log.
  void resize(std::uint64_t capacity_bytes);
  struct usage {
    std::uint64_t capacity_bytes;
    std::uint64_t held_bytes;   ///< pages of the blocks in the index, being filled or not
    std::uint64_t pinned_bytes; ///< pages of blocks that a reader, a fill or the disk tier holds
    std::uint64_t index_bytes;  ///< blocks' records, tables, ghosts
    std::uint64_t blocks;       ///< in the index
    std::uint64_t evicted_blocks, evicted_bytes, punched_bytes, ghost_hits; ///< since the start
    std::uint64_t page_bytes; ///< all pages that hold memory; with `index_bytes` at most the capacity
  };
  /// Walks all blocks, a few at a time: for a scrape, not for a hot path.
  usage usage_now() const;
  const memory_tier_settings& settings() const noexcept; ///< as `make` left them

private:
  friend class block;
  friend class reservation;
  friend class memory_tier_access; ///< tests look inside
  struct impl;
  explicit memory_tier(std::unique_ptr<impl> made);
  std::unique_ptr<impl> impl_;
};

} // namespace forebay::storage
