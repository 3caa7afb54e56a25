#include "cache/streams.h"

#include <algorithm>

namespace forebay::cache {
namespace {

/// Reads in sequence that make a stream: two may be chance, three are a habit.
constexpr std::uint32_t reads_to_trust = 3;
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
    // Readers that take turns arrive a little out of order: near is within a few of their reads, or, for a
    // trusted stream, within what is being fetched for it anyway.
    const std::uint64_t near = each.reads >= reads_to_trust
                                   ? std::max(range.length_bytes() * 4, each.consumed / refill_share)
                                   : range.length_bytes() * 2;
    // Reading a part again is no sequence: an untrusted stream may overlap by half a read.
    const std::uint64_t overlap = each.reads >= reads_to_trust ? near + range.length_bytes() : range.length_bytes() / 2;
    const bool behind = range.begin <= each.next && each.next - range.begin <= overlap;
    const bool ahead = range.begin > each.next && range.begin - each.next <= near;
    if ((behind || ahead) && (best == nullptr || each.consumed > best->consumed)) best = &each;
  }
  return best;
}

std::uint64_t read_streams::observe(byte_range range, std::uint64_t window_limit) noexcept {
  ++uses_;
  stream* mine = match(range);
  if (mine == nullptr) {
    mine = &*std::min_element(streams_.begin(), streams_.end(),
                              [](const stream& a, const stream& b) { return a.last_use < b.last_use; });
    *mine = {range.end, range.length_bytes(), range.end, 1, uses_};
    return range.end;
  }
  mine->last_use = uses_;
  if (range.end <= mine->next) return range.end; // read again, or out of turn: nothing new is learned
  mine->consumed += range.end - mine->next;
  mine->next = range.end;
  ++mine->reads;
  mine->fetched = std::max(mine->fetched, mine->next);
  if (mine->reads < reads_to_trust) return range.end;

  const std::uint64_t window = std::min(window_limit, mine->consumed * ahead_per_consumed);
  const std::uint64_t left = mine->fetched - mine->next;
  const std::uint64_t refill = std::min(window / 2, std::max(window / refill_share, refill_floor_bytes));
  if (left < refill || left == 0) mine->fetched = mine->next + window;
  return left < refill || left == 0 ? mine->fetched : range.end;
}

} // namespace forebay::cache
