#include "storage/memory_tier_impl.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "base/log.h"

namespace forebay::storage {
namespace {

/// Page numbers per page of capacity. Twice as many as can be in use at once keep long runs at hand in spite of short
/// blocks strewn between them; an unused page number costs two bits.
constexpr std::uint64_t address_factor = 2;
/// A block is at most this part of the capacity.
constexpr std::uint64_t blocks_min = 16;
/// Blocks gathered under one hold of the lock: enough for a megabyte out of single grains.
constexpr std::size_t departures_max = 256;
/// Rounds of freeing in one `reserve`. Three do; more are for others who take what was freed.
constexpr unsigned rounds_max = 64;
/// S3-FIFO's counter has two bits.
constexpr std::uint8_t uses_max = 3;
/// Chunks of blocks (31 each) that `usage_now` looks at under one hold of the lock, about 20 µs.
constexpr unsigned chunks_per_hold = 64;

/// A read that begins where the last one ended goes on with the same pass; one that begins before it is a new use.
void note_read(std::atomic<std::uint32_t>& read_end, std::atomic<std::uint8_t>& uses, std::size_t from,
               std::size_t length) noexcept {
  if (from < read_end.load(std::memory_order_relaxed)) {
    const std::uint8_t seen = uses.load(std::memory_order_relaxed);
    if (seen < uses_max) uses.store(static_cast<std::uint8_t>(seen + 1), std::memory_order_relaxed);
  }
  read_end.store(static_cast<std::uint32_t>(from + length), std::memory_order_relaxed);
}

} // namespace

memory_tier::impl::impl(memory_tier_settings checked, std::unique_ptr<page_space> pages)
    : settings(checked),
      space(std::move(pages)),
      index(checked.capacity_bytes),
      queues(checked.capacity_bytes, checked.small_queue_percent),
      reusable(checked.block_bytes / grain_bytes + 1) {
  set_capacity(checked.capacity_bytes);
}

std::uint64_t memory_tier::impl::longest_block(std::uint64_t setting_bytes, std::uint64_t capacity_bytes) noexcept {
  return std::min(setting_bytes, std::bit_floor(capacity_bytes / blocks_min));
}

std::uint64_t memory_tier::impl::space_pages_for(std::uint64_t capacity_bytes) noexcept {
  return capacity_bytes / grain_bytes * address_factor;
}

void memory_tier::impl::set_capacity(std::uint64_t bytes) noexcept {
  capacity_bytes = bytes;
  block_bytes = longest_block(settings.block_bytes, bytes);
}

std::uint64_t memory_tier::impl::index_bytes() const noexcept {
  return sizeof *this + space->memory_bytes() + index.memory_bytes() + queues.memory_bytes() + blocks.memory_bytes() +
         reusable.capacity() * sizeof(block_list);
}

// --- Reading -------------------------------------------------------------------------------------------------------

net::slice memory_tier::impl::read(const version_key& version, std::uint64_t at, std::uint64_t limit) {
  const std::lock_guard guard(index.lock_of(version));
  held_block* found = index.covering(version, at);
  if (found == nullptr || limit <= at) return {};
  const std::size_t from = at - found->offset_;
  const std::size_t ready = found->ready_bytes();
  if (from >= ready) return {};
  const std::size_t length = std::min<std::uint64_t>(ready - from, limit - at);
  note_read(found->read_end_, found->uses, from, length);
  net::slice given{-1, 0, {found->data_ + from, length}, net::pin(found)};
  // Lent pages must be punched and faulted in again later, which costs as much as copying them several times: the
  // one pass that many blocks ever see is copied, a hit is lent.
  const bool used_again =
      found->lent.load(std::memory_order_relaxed) || found->uses.load(std::memory_order_relaxed) > 0;
  if (used_again && length >= net::sendfile_threshold_bytes) {
    found->lent.store(true, std::memory_order_relaxed);
    given.fd = space->fd();
    given.offset = found->pages().offset_bytes() + from;
  }
  return given;
}

// --- Making room ---------------------------------------------------------------------------------------------------

result<reservation> memory_tier::impl::reserve(const version_key& version, std::uint64_t offset,
                                               std::uint64_t length_bytes, tenant_id tenant, bool lasting) {
  if (offset % grain_bytes != 0 || offset > INT64_MAX || length_bytes == 0)
    return fail(error_kind::invalid_input, "memory tier", "a block begins on a grain and has a length");
  departure leaving;
  for (unsigned round = 0; round < rounds_max; ++round) {
    std::unique_lock guard(lock);
    const placement tried = place(version, offset, length_bytes, tenant, lasting);
    if (tried.made != nullptr) {
      return reservation(*tried.made, tried.untouched); // pinned before an erase can come between
    }
    if (tried.covered) return fail(error_kind::invalid_input, "memory tier", "a block is there already");
    gather(leaving, tried.missing_bytes);
    guard.unlock();
    if (leaving.empty()) break;
    dispose(leaving);
  }
  return fail(error_kind::exhausted, "memory tier", "all memory that could be freed is pinned", true);
}

memory_tier::impl::placement memory_tier::impl::place(const version_key& version, std::uint64_t offset,
                                                      std::uint64_t length_bytes, tenant_id tenant, bool lasting) {
  const std::uint64_t gap_bytes = index.gap_at(version, offset);
  if (gap_bytes == 0) return {.covered = true};
  length_bytes = std::min({length_bytes, gap_bytes, block_bytes - offset % block_bytes});
  placement tried;
  held_block* fresh =
      take_pages(static_cast<std::uint32_t>(pages_for(length_bytes)), index.growth_bytes(version), tried);
  if (fresh == nullptr) return tried;
  fresh->version_ = version;
  fresh->offset_ = offset;
  fresh->capacity_bytes_ = std::min(length_bytes, fresh->page_bytes());
  fresh->tenant = tenant;
  fresh->lasting = lasting;
  fresh->state = block_state::filling;
  fresh->uses.store(0, std::memory_order_relaxed);
  fresh->read_end_.store(0, std::memory_order_relaxed);
  fresh->ready_bytes_.store(0, std::memory_order_relaxed);
  fresh->acquire(); // the index's pin
  held_bytes += fresh->page_bytes();
  ++held_blocks;
  const std::lock_guard guard(index.lock_of(version));
  index.insert(*fresh);
  tried.made = fresh;
  return tried;
}

held_block* memory_tier::impl::take_pages(std::uint32_t pages, std::uint64_t record_bytes, placement& tried) {
  block_list& fitting = reusable[pages];
  if (held_block* again = fitting.back(); again != nullptr && used_bytes() + record_bytes <= capacity_bytes) {
    fitting.remove(*again);
    --reusable_count;
    return again;
  }
  const std::uint64_t wanted_bytes = used_bytes() + record_bytes + blocks.growth_bytes() + pages * grain_bytes;
  if (wanted_bytes > capacity_bytes) {
    tried.missing_bytes = wanted_bytes - capacity_bytes;
    return nullptr;
  }
  const page_run run = space->allocate(pages);
  assert(run.count > 0 && "there are more page numbers than pages that the capacity allows");
  held_block* fresh = blocks.take();
  fresh->owner_ = tier;
  fresh->first_page = run.first;
  fresh->page_count = static_cast<std::uint16_t>(run.count);
  fresh->data_ = space->address(run);
  tried.untouched = {fresh->data_, static_cast<std::size_t>(fresh->page_bytes())};
  fresh->lent.store(false, std::memory_order_relaxed);
  page_bytes += run.length_bytes();
  return fresh;
}

void memory_tier::impl::gather(departure& leaving, std::uint64_t missing_bytes) {
  std::uint64_t coming_bytes = 0;
  while (coming_bytes < missing_bytes && leaving.punching.size() < departures_max) {
    held_block* waiting = next_waiting();
    if (waiting == nullptr) break;
    coming_bytes += waiting->page_bytes();
    leaving.punching.push_back(waiting);
  }
  while (coming_bytes < missing_bytes && leaving.evicted.size() < departures_max) {
    held_block* oldest = queues.choose(leaving.search);
    if (oldest == nullptr) break;
    if (!detach_unpinned(*oldest)) {
      queues.pass_over(*oldest, leaving.search);
      continue;
    }
    queues.evict(*oldest);
    leave_index(*oldest);
    ++evicted_blocks;
    evicted_bytes += oldest->page_bytes();
    coming_bytes += oldest->page_bytes();
    leaving.evicted.push_back(oldest);
  }
  leaving.hook = hook;
  leaving.hook_context = hook_context;
}

bool memory_tier::impl::detach_unpinned(held_block& candidate) noexcept {
  // Under the shard's lock nobody can find the block, so a count of one, the index's, stays one.
  const std::lock_guard guard(index.lock_of(candidate.version_));
  if (candidate.pins() > 1) return false;
  index.remove(candidate);
  return true;
}

void memory_tier::impl::leave_index(held_block& gone) noexcept {
  gone.state = block_state::leaving;
  held_bytes -= gone.page_bytes();
  --held_blocks;
}

void memory_tier::impl::dispose(departure& leaving) {
  for (held_block* gone : leaving.evicted) {
    if (leaving.hook != nullptr && gone->lasting)
      leaving.hook(leaving.hook_context, gone->version_, *gone,
                   {-1, 0, {gone->data_, gone->ready_bytes()}, net::pin(gone)}, gone->tenant);
    gone->release();
  }
  leaving.evicted.clear();
  if (leaving.punching.empty()) return;
  auto kept = std::partition(leaving.punching.begin(), leaving.punching.end(),
                             [this](const held_block* each) { return space->punch(each->pages()); });
  const std::lock_guard guard(lock);
  std::for_each(leaving.punching.begin(), kept, [this](held_block* each) { give_back(*each); });
  std::for_each(kept, leaving.punching.end(), [this](held_block* each) { to_punch.push_front(*each); });
  leaving.punching.clear();
}

// --- Pages on their way back ---------------------------------------------------------------------------------------

void memory_tier::impl::give_back(held_block& punched) noexcept {
  space->release(punched.pages());
  page_bytes -= punched.page_bytes();
  punched_bytes += punched.page_bytes();
  punched.state = block_state::unused;
  blocks.give(punched);
}

void memory_tier::impl::wait_for_use(held_block& freed) noexcept {
  freed.state = block_state::waiting;
  if (freed.lent.load(std::memory_order_relaxed)) {
    to_punch.push_front(freed);
  } else {
    reusable[freed.page_count].push_front(freed);
    ++reusable_count;
  }
}

held_block* memory_tier::impl::next_waiting() noexcept {
  if (held_block* lent = to_punch.back(); lent != nullptr) {
    to_punch.remove(*lent);
    return lent;
  }
  if (reusable_count == 0) return nullptr;
  auto longest = std::find_if(reusable.rbegin(), reusable.rend(), [](const auto& list) { return list.count() > 0; });
  held_block* chosen = longest->back();
  longest->remove(*chosen);
  --reusable_count;
  return chosen;
}

void memory_tier::impl::released(held_block& freed) noexcept {
  std::unique_lock guard(lock);
  if (used_bytes() <= capacity_bytes) return wait_for_use(freed);
  // The tier shrank meanwhile and wants its memory back now.
  freed.state = block_state::waiting;
  guard.unlock();
  const bool punched = space->punch(freed.pages());
  guard.lock();
  if (punched) return give_back(freed);
  freed.lent.store(true, std::memory_order_relaxed);
  wait_for_use(freed);
}

void memory_tier::impl::finish(held_block& filled, ending how) noexcept {
  page_run tail;
  bool forgotten = false;
  {
    const std::lock_guard guard(lock);
    if (!filled.indexed()) return; // erased meanwhile: the last pin frees it whole
    const std::size_t ready = filled.ready_bytes();
    const std::size_t kept = how == ending::at_object_end ? ready : how == ending::early ? grain_floor(ready) : 0;
    if (kept == 0) {
      const std::lock_guard shard_guard(index.lock_of(filled.version_));
      index.remove(filled);
      leave_index(filled);
      forgotten = true;
    } else {
      // A page that readers have seen a part of stays with the block, even where the cut leaves none of it.
      const auto seen_pages = static_cast<std::uint16_t>(pages_for(ready));
      tail = {filled.first_page + seen_pages, static_cast<std::uint32_t>(filled.page_count - seen_pages)};
      held_bytes -= tail.length_bytes();
      filled.page_count = seen_pages;
      {
        const std::lock_guard shard_guard(index.lock_of(filled.version_));
        filled.capacity_bytes_ = kept;
        filled.ready_bytes_.store(kept, std::memory_order_release);
      }
      queues.insert(filled);
    }
  }
  if (forgotten) filled.release();
  // Nobody saw the tail, but the fill may have touched it. Pages that cannot be punched are never used again.
  if (tail.count == 0 || !space->punch(tail)) return;
  const std::lock_guard guard(lock);
  space->release(tail);
  page_bytes -= tail.length_bytes();
}

// --- The rest ------------------------------------------------------------------------------------------------------

void memory_tier::impl::erase(const version_key& version) {
  std::vector<held_block*> gone;
  {
    const std::lock_guard guard(lock);
    {
      const std::lock_guard shard_guard(index.lock_of(version));
      index.remove_all(version, [&gone](held_block& each) { gone.push_back(&each); });
    }
    for (held_block* each : gone) {
      if (each->state != block_state::filling) queues.remove(*each);
      leave_index(*each);
    }
  }
  for (held_block* each : gone) each->release();
}

/// Frees until `extra_bytes` more would fit, or the rest is pinned.
void memory_tier::impl::make_room(std::uint64_t extra_bytes) {
  departure leaving;
  while (true) {
    {
      const std::lock_guard guard(lock);
      const std::uint64_t wanted_bytes = used_bytes() + extra_bytes;
      if (wanted_bytes <= capacity_bytes) return;
      leaving.search = {.looks_left = UINT32_MAX}; // as far as it takes; batches bound each hold of the lock
      gather(leaving, wanted_bytes - capacity_bytes);
    }
    if (leaving.empty()) return;
    dispose(leaving);
  }
}

void memory_tier::impl::resize(std::uint64_t wanted_bytes) {
  const std::size_t buckets = extent_index::bucket_count_for(wanted_bytes);
  {
    const std::lock_guard guard(lock);
    if (auto grown = space->grow(space_pages_for(wanted_bytes)); !grown) {
      log::warn("memory tier", "keeps its capacity of {} bytes: {}", capacity_bytes, grown.error().message());
      return;
    }
    set_capacity(wanted_bytes);
  }
  // Room for the larger tables of a larger tier while the old ones are still there.
  make_room(extent_index::bucket_bytes(buckets) + eviction_queues::ghost_bytes_for(wanted_bytes));
  const std::lock_guard guard(lock);
  index.rehash(buckets);
  queues.resize(wanted_bytes);
}

memory_tier::usage memory_tier::impl::usage_now() const {
  std::unique_lock guard(lock);
  usage now{};
  now.capacity_bytes = capacity_bytes;
  now.held_bytes = held_bytes;
  now.index_bytes = index_bytes();
  now.blocks = held_blocks;
  now.evicted_blocks = evicted_blocks;
  now.evicted_bytes = evicted_bytes;
  now.punched_bytes = punched_bytes;
  now.ghost_hits = queues.ghost_hits();
  now.page_bytes = page_bytes;
  unsigned looked = 0;
  for (const auto* chunk = blocks.chunks(); chunk != nullptr; chunk = chunk->after) {
    for (const held_block& each : chunk->items)
      if (each.state == block_state::leaving || (each.indexed() && each.pins() > 1))
        now.pinned_bytes += each.page_bytes();
    if (++looked % chunks_per_hold != 0) continue;
    guard.unlock(); // chunks never go away
    guard.lock();
  }
  return now;
}

} // namespace forebay::storage
