#include "storage/eviction_queues.h"

#include <cassert>

namespace forebay::storage {
namespace {

/// Uses in the small queue that make a block stay. The miss that brought it is not one (memory_tier::read).
constexpr std::uint8_t promotion_uses = 1;
/// With fewer looks left than this, whoever is not pinned goes, used or not.
constexpr unsigned looks_without_mercy = eviction_search::looks_max / 2;
/// So many pinned ones in a row (a burst that waits for the disk), and the main queue is looked at, too.
constexpr std::size_t small_pinned_max = eviction_search::looks_max / 4;

std::uint64_t fingerprint_of(const held_block& block) noexcept {
  return ghost_fingerprint(block.version().prefix(), block.offset());
}

} // namespace

void eviction_queues::resize(std::uint64_t capacity_bytes) {
  small_target_bytes_ = capacity_bytes / 100 * small_percent_;
  ghost_window_grains_ = (capacity_bytes - small_target_bytes_) / grain_bytes;
  if (ghost_bytes_for(capacity_bytes) != ghosts_.memory_bytes())
    ghosts_ = ghost_table(capacity_bytes / bytes_per_ghost);
}

void eviction_queues::insert(held_block& added) noexcept {
  if (ghosts_.take(fingerprint_of(added), ghost_window_grains_)) {
    ++ghost_hits_;
    move_to_main(added);
    return;
  }
  added.state = block_state::small;
  small_.push_front(added);
}

void eviction_queues::move_to_main(held_block& promoted) noexcept {
  promoted.state = block_state::main;
  main_.push_front(promoted);
}

void eviction_queues::remove(held_block& gone) noexcept {
  assert(gone.state == block_state::small || gone.state == block_state::main);
  (gone.state == block_state::small ? small_ : main_).remove(gone);
}

held_block* eviction_queues::choose(eviction_search& search) noexcept {
  while (search.looks_left > 0) {
    const bool look_small = search.pinned_small < small_.count();
    const bool look_main = search.pinned_main < main_.count();
    if (!look_small && !look_main) return nullptr;
    const bool small_is_due = small_.page_bytes() > small_target_bytes_ && search.pinned_small < small_pinned_max;
    const bool from_small = look_small && (!look_main || small_is_due);
    held_block& oldest = *(from_small ? small_ : main_).back();
    if (oldest.pins() > 1) { // the index's own, and somebody's
      pass_over(oldest, search);
      continue;
    }
    (from_small ? search.pinned_small : search.pinned_main) = 0;
    const std::uint8_t uses = oldest.uses.load(std::memory_order_relaxed);
    const bool mercy = search.looks_left > looks_without_mercy;
    if (!mercy || uses < (from_small ? promotion_uses : 1)) return &oldest;
    --search.looks_left;
    if (from_small) {
      small_.remove(oldest);
      oldest.uses.store(0, std::memory_order_relaxed);
      move_to_main(oldest);
      search.pinned_main = 0;
    } else {
      oldest.uses.store(static_cast<std::uint8_t>(uses - 1), std::memory_order_relaxed);
      main_.remove(oldest);
      main_.push_front(oldest);
    }
  }
  return nullptr;
}

void eviction_queues::pass_over(held_block& pinned, eviction_search& search) noexcept {
  const bool in_small = pinned.state == block_state::small;
  block_list& queue = in_small ? small_ : main_;
  queue.remove(pinned);
  queue.push_front(pinned);
  ++(in_small ? search.pinned_small : search.pinned_main);
  if (search.looks_left > 0) --search.looks_left;
}

void eviction_queues::evict(held_block& gone) noexcept {
  if (gone.state == block_state::small) ghosts_.insert(fingerprint_of(gone), gone.page_count);
  remove(gone);
}

} // namespace forebay::storage
