#include "cache/streams.h"

#include <algorithm>

namespace forebay::cache {
namespace {

/// Reads in sequence that make a stream: two may be chance, three are a habit.
constexpr std::uint32_t reads_to_trust = 3;
/// Readers that take turns arrive out of order: a trusted stream takes what begins within so many of their reads, or
/// within what is being fetched for it anyway.
constexpr std::uint64_t turns_near = 16;
/// Fetched ahead per byte consumed.
constexpr std::uint64_t ahead_per_consumed = 2;
/// More is ordered when less than this share of the window is left, so that the line does not fall idle.
constexpr std::uint64_t refill_share = 8;
/// Never wait for the last bytes: one round trip at a good rate.
constexpr std::uint64_t refill_floor_bytes = 1u << 20;

} // namespace

read_streams::stream* read_streams::match(byte_range range) noexcept {
  stream* best = nullptr;
  for (stream& each : streams_) {
    if (each.reads == 0) continue;
    const bool trusted = each.reads >= reads_to_trust;
    const std::uint64_t near =
        trusted ? std::max(range.length_bytes() * turns_near, each.consumed / refill_share) : range.length_bytes() * 2;
    // Reading a part again is no sequence: an untrusted stream may overlap by half a read.
    const std::uint64_t overlap = trusted ? near + range.length_bytes() : range.length_bytes() / 2;
    const bool behind = range.begin <= each.next && each.next - range.begin <= overlap;
    const bool ahead = range.begin > each.next && range.begin - each.next <= near;
    if ((behind || ahead) && (best == nullptr || each.consumed > best->consumed)) best = &each;
  }
  return best;
}

/// A reader who ran ahead of the others began a stream of his own: when they catch up with where he began, it is one.
void read_streams::merge_into(stream& mine, std::uint64_t near) noexcept {
  for (stream& other : streams_) {
    const bool caught_up = &other != &mine && other.reads > 0 && other.start > mine.start && other.next > mine.next &&
                           other.start <= mine.next + near;
    if (!caught_up) continue;
    mine.next = other.next;
    mine.consumed += other.consumed;
    mine.fetched = std::max(mine.fetched, other.fetched);
    mine.reads += other.reads;
    other = {};
  }
}

std::uint64_t read_streams::observe(byte_range range, std::uint64_t window_limit) noexcept {
  ++uses_;
  stream* mine = match(range);
  if (mine == nullptr) {
    mine = &*std::min_element(streams_.begin(), streams_.end(),
                              [](const stream& a, const stream& b) { return a.last_use < b.last_use; });
    *mine = {range.begin, range.end, range.length_bytes(), range.end, 1, uses_};
    return range.end;
  }
  mine->last_use = uses_;
  const bool leads = range.end > mine->next;
  mine->next = std::max(mine->next, range.end);
  // What is read again counts once: no more can have been consumed than there is.
  mine->start = std::min(mine->start, range.begin);
  mine->consumed = std::min(mine->consumed + range.length_bytes(), mine->next - mine->start);
  if (leads) ++mine->reads;
  merge_into(*mine, range.length_bytes());
  mine->fetched = std::max(mine->fetched, mine->next);
  if (!leads) return range.end; // out of turn: who leads orders what comes next
  if (mine->reads < reads_to_trust) return range.end;

  const std::uint64_t window = std::min(window_limit, mine->consumed * ahead_per_consumed);
  const std::uint64_t left = mine->fetched - mine->next;
  const std::uint64_t refill = std::min(window / 2, std::max(window / refill_share, refill_floor_bytes));
  if (left < refill || left == 0) mine->fetched = mine->next + window;
  return left < refill || left == 0 ? mine->fetched : range.end;
}

} // namespace forebay::cache
