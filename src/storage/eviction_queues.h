// S3-FIFO: which block leaves next. Inside storage/ only.
#pragma once

#include <cstdint>

#include "storage/ghost_table.h"
#include "storage/held_block.h"

namespace forebay::storage {

/// How far one caller has looked for blocks to evict: work per `reserve` is bounded whatever is pinned.
struct eviction_search {
  /// Blocks looked at in vain (pinned, or given another chance) before the search gives up: about 50 µs.
  static constexpr unsigned looks_max = 512;
  unsigned looks_left = looks_max;
  std::size_t pinned_small = 0, pinned_main = 0; ///< pinned ones seen in a row
};

/// New blocks wait in a small queue (10 % of the bytes); those used again there move to the main queue, the others
/// leave and are remembered as ghosts. A block whose ghost is there enters the main queue at once. In the main queue
/// a use buys another round. So a scan flows through the small queue and leaves the main one alone (Yang et al.,
/// SOSP 2023). Hits only raise a counter in the block. Guarded by the tier's lock.
class eviction_queues {
public:
  eviction_queues(std::uint64_t capacity_bytes, unsigned small_percent)
      : small_percent_(small_percent), ghosts_(capacity_bytes / bytes_per_ghost) {
    resize(capacity_bytes);
  }

  /// Takes a block whose fill has ended.
  void insert(held_block& added) noexcept;
  /// The block leaves for another reason than age.
  void remove(held_block& gone) noexcept;
  /// The next block to go, still in its queue and unpinned a moment ago; nothing when all are pinned or the search
  /// has looked far enough.
  held_block* choose(eviction_search& search) noexcept;
  /// What `choose` gave was pinned after all.
  void pass_over(held_block& pinned, eviction_search& search) noexcept;
  /// What `choose` gave leaves.
  void evict(held_block& gone) noexcept;

  /// Fits the small queue and the ghosts' reach to a capacity; a table of another size begins empty.
  void resize(std::uint64_t capacity_bytes);
  /// What the ghosts of a capacity cost.
  static std::uint64_t ghost_bytes_for(std::uint64_t capacity_bytes) noexcept {
    return ghost_table::memory_bytes_for(capacity_bytes / bytes_per_ghost);
  }

  std::uint64_t ghost_hits() const noexcept { return ghost_hits_; }
  std::uint64_t memory_bytes() const noexcept { return ghosts_.memory_bytes(); }

private:
  /// A ghost for each so many bytes of capacity: the ghosts reach back as far as the main queue is long while blocks
  /// average this or more.
  static constexpr std::uint64_t bytes_per_ghost = 16u << 10;

  void move_to_main(held_block& promoted) noexcept;

  unsigned small_percent_;
  std::uint64_t small_target_bytes_ = 0;
  std::uint64_t ghost_window_grains_ = 0;
  block_list small_, main_;
  ghost_table ghosts_;
  std::uint64_t ghost_hits_ = 0;
};

} // namespace forebay::storage
