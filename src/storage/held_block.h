// A block as the tier sees it, the slabs it lives in, and the lists it moves through. Inside storage/ only.
#pragma once

#include <atomic>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "storage/memory_tier.h"
#include "storage/page_space.h"

namespace forebay::storage {

/// Where a block is in its life. Changes under the tier's lock only.
enum class block_state : std::uint8_t {
  unused,  ///< in its slab, without pages
  filling, ///< in the index, written by a reservation, in no queue
  small,   ///< in the index and the small queue
  main,    ///< in the index and the main queue
  leaving, ///< out of the index, still pinned: its last pin frees it
  waiting, ///< nobody's; its pages wait for their next use
};

using tree_hook =
    boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>, // the colour hides in a pointer: 24 bytes
                                    boost::intrusive::link_mode<boost::intrusive::normal_link>>;

/// Two cache lines. Its offset, length and place in the index change under both the tier's lock and its shard's;
/// the rest under the tier's lock, but for the atomics.
struct held_block final : block, tree_hook {
  std::uint32_t first_page = 0;
  std::uint16_t page_count = 0;
  tenant_id tenant = 0;
  held_block* before = nullptr;      ///< in the list it is in, nearer the front
  held_block* after = nullptr;       ///< nearer the back; in a slab's free list: the next one
  std::atomic<std::uint8_t> uses{0}; ///< S3-FIFO's two bits; several readers may lose a count, none invents one
  std::atomic<bool> lent{false};     ///< a slice with a file was handed out since the pages were last punched
  block_state state = block_state::unused;
  bool lasting = false; ///< the lower tier is asked when it leaves

  page_run pages() const noexcept { return {first_page, page_count}; }
  std::uint64_t page_bytes() const noexcept { return page_count * grain_bytes; }
  bool indexed() const noexcept { return state > block_state::unused && state < block_state::leaving; }
};

static_assert(sizeof(held_block) == 128);

/// The longest block that `page_count` can say.
inline constexpr std::size_t block_bytes_max = std::size_t{UINT16_MAX / 2 + 1} * grain_bytes;

/// Blocks in order, with the sum of their pages. A block is in at most one list.
class block_list {
public:
  std::uint64_t page_bytes() const noexcept { return page_bytes_; }
  std::size_t count() const noexcept { return count_; }
  held_block* back() const noexcept { return back_; }

  void push_front(held_block& added) noexcept {
    added.before = nullptr;
    added.after = std::exchange(front_, &added);
    (added.after != nullptr ? added.after->before : back_) = &added;
    ++count_;
    page_bytes_ += added.page_bytes();
  }

  void remove(held_block& gone) noexcept {
    (gone.before != nullptr ? gone.before->after : front_) = gone.after;
    (gone.after != nullptr ? gone.after->before : back_) = gone.before;
    gone.before = gone.after = nullptr;
    --count_;
    page_bytes_ -= gone.page_bytes();
  }

private:
  held_block* front_ = nullptr;
  held_block* back_ = nullptr;
  std::size_t count_ = 0;
  std::uint64_t page_bytes_ = 0;
};

/// Objects of one type in chunks of a page that are never given back, so that a walk over all of them may stop
/// between two chunks and go on later. `T` has a member `after` for the free list. Guarded by the tier's lock.
template <class T>
class slab {
public:
  slab() = default;
  slab(const slab&) = delete;
  slab& operator=(const slab&) = delete;
  ~slab() {
    while (chunks_ != nullptr) delete std::exchange(chunks_, chunks_->after);
  }

  struct alignas(64) chunk { ///< items first, so that they begin on cache lines
    T items[(grain_bytes - sizeof(chunk*)) / sizeof(T)];
    chunk* after = nullptr;
  };

  T* take() {
    if (free_ == nullptr) add_chunk();
    T* taken = std::exchange(free_, free_->after);
    taken->after = nullptr;
    return taken;
  }
  void give(T& back) noexcept { back.after = std::exchange(free_, &back); }

  /// What the next `take` adds to `memory_bytes`.
  std::uint64_t growth_bytes() const noexcept { return free_ == nullptr ? sizeof(chunk) : 0; }
  std::uint64_t memory_bytes() const noexcept { return memory_bytes_; }
  const chunk* chunks() const noexcept { return chunks_; }

private:
  void add_chunk() {
    chunks_ = new chunk{.items = {}, .after = chunks_};
    memory_bytes_ += sizeof(chunk);
    for (T& fresh : chunks_->items) give(fresh);
  }

  chunk* chunks_ = nullptr;
  T* free_ = nullptr;
  std::uint64_t memory_bytes_ = 0;
};

} // namespace forebay::storage
