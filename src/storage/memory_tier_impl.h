// The memory tier's inside: one lock for whatever changes, and how pages come and go. Inside storage/ only.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "storage/eviction_queues.h"
#include "storage/extent_index.h"
#include "storage/held_block.h"
#include "storage/memory_tier.h"
#include "storage/page_space.h"

namespace forebay::storage {

/// Locks: `lock` first, a shard's (extent_index) inside it. Readers take the shard's alone. No pin is ever dropped
/// under either, since the last one calls `released`, which takes `lock`; no hook and no punch runs under either.
///
/// Pages go round: in a block of the index, then (last pin gone) in a waiting block, whose pages still hold memory.
/// From there a new block of the same length takes them as they are, if they were never lent to a socket; otherwise
/// they are punched when the memory is needed and their numbers return to `space`. Both happen in `reserve`, so that
/// purging a large object and dropping a last pin cost no system call.
struct memory_tier::impl {
  impl(memory_tier_settings checked, std::unique_ptr<page_space> pages);

  net::slice read(const version_key& version, std::uint64_t at, std::uint64_t limit);
  result<reservation> reserve(const version_key& version, std::uint64_t offset, std::uint64_t length_bytes,
                              tenant_id tenant, bool lasting);
  void erase(const version_key& version);
  void resize(std::uint64_t capacity_bytes);
  usage usage_now() const;

  /// The fill is over: keeps `ready_bytes`, or their whole grains, or nothing.
  enum class ending { at_object_end, early, discarded };
  void finish(held_block& filled, ending how) noexcept;
  /// The last pin of a block that has left the index is gone.
  void released(held_block& freed) noexcept;

  /// One try of `reserve`, under the lock.
  struct placement {
    held_block* made = nullptr;
    bool covered = false;
    std::span<std::byte> untouched{}; ///< pages of `made` that hold no memory yet
    std::uint64_t missing_bytes = 0;  ///< memory to be freed first
  };
  placement place(const version_key& version, std::uint64_t offset, std::uint64_t length_bytes, tenant_id tenant,
                  bool lasting);
  held_block* take_pages(std::uint32_t pages, std::uint64_t record_bytes, placement& tried);

  /// Blocks on their way out, gathered under the lock and dealt with outside it.
  struct departure {
    eviction_search search;
    std::vector<held_block*> evicted;  ///< out of the index; the index's pin came along
    std::vector<held_block*> punching; ///< out of the waiting lists
    evicted_hook hook = nullptr;
    void* hook_context = nullptr;
    bool empty() const noexcept { return evicted.empty() && punching.empty(); }
  };
  void gather(departure& leaving, std::uint64_t missing_bytes);
  bool detach_unpinned(held_block& candidate) noexcept;
  void leave_index(held_block& gone) noexcept; ///< what both locks' holder does for each block it took out
  void dispose(departure& leaving);
  void give_back(held_block& punched) noexcept;
  void wait_for_use(held_block& freed) noexcept;
  held_block* next_waiting() noexcept;
  void make_room(std::uint64_t extra_bytes);

  std::uint64_t index_bytes() const noexcept;
  std::uint64_t used_bytes() const noexcept { return page_bytes + index_bytes(); }
  void set_capacity(std::uint64_t bytes) noexcept;
  static std::uint64_t longest_block(std::uint64_t setting_bytes, std::uint64_t capacity_bytes) noexcept;
  static std::uint64_t space_pages_for(std::uint64_t capacity_bytes) noexcept;

  memory_tier* tier = nullptr;
  const memory_tier_settings settings;
  mutable std::mutex lock;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t block_bytes = 0; ///< the longest block now: `settings.block_bytes`, less in a tier that shrank
  std::unique_ptr<page_space> space;
  extent_index index;
  eviction_queues queues;
  slab<held_block> blocks;
  block_list to_punch;              ///< waiting blocks that were lent
  std::vector<block_list> reusable; ///< waiting blocks that were not, by their count of pages
  std::size_t reusable_count = 0;

  std::uint64_t page_bytes = 0;                  ///< pages that may hold memory: of blocks in any state but unused
  std::uint64_t held_bytes = 0, held_blocks = 0; ///< in the index
  std::uint64_t evicted_blocks = 0, evicted_bytes = 0, punched_bytes = 0;
  evicted_hook hook = nullptr;
  void* hook_context = nullptr;
};

} // namespace forebay::storage
