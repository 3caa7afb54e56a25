#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <unordered_map>

#include "base/log.h"
#include "storage/disk/recovery.h"

// A start from the index that was kept (index_keeping.cc): the entries as they were at that moment, without those whose
// segment is gone, then what the segments hold that it does not know.
namespace forebay::storage::disk {
namespace {

/// Slots of a table: what a file says is not believed beyond it.
constexpr std::uint32_t slots_max = 1u << 22;
/// That take entries: memory and the shards' locks have no use for many more.
constexpr std::size_t taking_threads = 2;

template <class Row>
void append_rows(std::vector<Row>& to, std::span<const std::byte> rows) {
  const std::size_t before = to.size();
  to.resize(before + rows.size() / sizeof(Row));
  std::memcpy(to.data() + before, rows.data(), rows.size());
}

bool same_end(const index_segment& known, const std::vector<footer_row>& rows) {
  if (rows.size() < known.rows) return false;
  if (known.rows == 0) return true;
  const footer_row& last = rows[known.rows - 1];
  return last.sequence == known.last_sequence && last.position == known.last_position;
}

} // namespace

/// An index knows the purges that it lists, and no others. It does not tell what directory or number an entry's object
/// has: where that would be needed, because directories came or went or everything was purged, it is of no use.
bool shelf_recovery::fits(const index_head& head) const {
  const purged_keys& purged = shelf_.purged_;
  return head.store == shelf_.identity_ && head.segment_bytes == shelf_.settings_.segment_bytes &&
         head.sequence >= purged.before && head.sequence >= purged.other_members_at && head.members == purged.members &&
         head.entry_pieces <= head.pieces && head.sequence < sequence_max;
}

result<shelf_recovery::kept_index> shelf_recovery::open_kept(const std::string& name) {
  kept_index found;
  found.name = name;
  auto opened = shelf_.volume_->open(name);
  if (!opened) return fail(opened.error());
  found.from = std::move(*opened);
  const sector_buffer sector(sector_bytes);
  auto read = found.from->read(0, sector.span());
  if (!read) return fail(read.error());
  const auto head = read_index_head(sector.span());
  if (!head || !fits(*head)) return fail(error_kind::not_found, "disk tier", "it is not finished, or not for now");
  found.head = *head;
  read = read_index_pieces(*found.from, *head, head->entry_pieces, head->pieces,
                           [&](index_rows kind, std::span<const std::byte> rows) -> result<void> {
                             if (kind == index_rows::segments) append_rows(found.segments, rows);
                             if (kind == index_rows::purges) append_rows(found.purges, rows);
                             if (kind == index_rows::kept) append_rows(found.kept, rows);
                             return {};
                           });
  if (!read) return fail(read.error());
  for (const index_segment& each : found.segments) {
    if (each.slot >= slots_max || each.stream > 1) return fail(error_kind::broken, "disk tier", "an unlikely table");
  }
  return found;
}

std::optional<shelf_recovery::kept_index> shelf_recovery::find_kept(const std::vector<std::string>& names) {
  std::optional<kept_index> best;
  for (const std::string& name : names) {
    if (!is_index_file(name)) continue;
    auto found = open_kept(name);
    if (!found) {
      log::debug("disk", "{}: {} is not used: {}", shelf_.volume_->name(), name, found.error().context);
    } else if (!best || found->head.sequence > best->head.sequence) {
      best = std::move(*found);
    }
  }
  return best;
}

/// False when there is none that can be used: then nothing was changed.
bool shelf_recovery::load_kept(const std::vector<std::string>& names, const std::vector<std::uint64_t>& numbers) {
  auto kept = find_kept(names);
  if (!kept) return false;
  std::vector<read_segment> rest;
  auto taken = take_kept(*kept, numbers, rest);
  if (!taken) {
    log::info("disk", "{}: {} is not used: {}", shelf_.volume_->name(), kept->name, taken.error().context);
    start_over();
    return false;
  }
  obey_new_purges(*kept);
  for (const index_kept& each : kept->kept) shelf_.kept_.note(each.version_prefix, object_key{each.object});
  shelf_.last_number_ = std::max(shelf_.last_number_, kept->head.last_number);
  shelf_.index_name_ = kept->name;
  highest_sequence_ = kept->head.sequence;
  kept_up_to_ = std::max<std::uint64_t>(kept->head.written, 1);
  for (read_segment& each : rest) {
    auto loaded = load(std::move(each));
    if (!loaded) {
      start_over();
      return false;
    }
  }
  return true;
}

/// While the entries are taken, the segments that it does not know to their end are read.
result<void> shelf_recovery::take_kept(kept_index& kept, const std::vector<std::uint64_t>& numbers,
                                       std::vector<read_segment>& rest) {
  std::unordered_map<std::uint64_t, const index_segment*> known;
  for (const index_segment& each : kept.segments) known.emplace(each.number, &each);
  std::vector<std::uint64_t> wanted;
  for (const std::uint64_t number : numbers) {
    const auto found = known.find(number);
    if (found == known.end() || found->second->rows != index_segment::all_rows) wanted.push_back(number);
  }
  auto reading = std::async(beside(), [&] { return read_all(wanted); });
  const auto by_slot = add_known(kept, numbers);
  auto taken = take_entries(kept, by_slot);
  rest = reading.get();
  if (!taken) return taken;
  for (read_segment& each : rest) {
    const auto found = known.find(each.number);
    if (found == known.end()) continue;
    if (!each.head || !same_end(*found->second, each.told.found.rows)) {
      return fail(error_kind::broken, "disk tier", "a segment has lost entries since");
    }
    each.in = by_slot[found->second->slot];
    each.known = found->second->rows;
  }
  return {};
}

/// Those of its segments that are there, by the slots that they had.
std::vector<std::shared_ptr<segment>> shelf_recovery::add_known(const kept_index& kept,
                                                                const std::vector<std::uint64_t>& numbers) {
  std::vector<std::shared_ptr<segment>> by_slot;
  for (const index_segment& each : kept.segments) {
    if (by_slot.size() <= each.slot) by_slot.resize(each.slot + 1);
    if (!std::binary_search(numbers.rbegin(), numbers.rend(), each.number)) continue;
    const auto in = shelf_.add_segment(each.number, static_cast<stream_kind>(each.stream));
    in->lowest_sequence = each.lowest_sequence;
    in->irregular = (each.flags & index_segment::flag_irregular) != 0;
    in->was_open = (each.flags & index_segment::flag_was_open) != 0;
    in->has_footer = each.rows == index_segment::all_rows;
    by_slot[each.slot] = in;
  }
  return by_slot;
}

std::launch shelf_recovery::beside() const noexcept {
  return shelf_.settings_.recovery_threads > 0 ? std::launch::async : std::launch::deferred;
}

/// Each thread takes its part of the pieces, from the front on: entries of a shard follow each other, so that they
/// seldom want the same one.
result<void> shelf_recovery::take_entries(kept_index& kept, std::span<const std::shared_ptr<segment>> by_slot) {
  shelf_.index_.reserve(std::min(kept.head.entries, shelf_.settings_.index_bytes / segment_index::bytes_per_entry));
  segment_index::adoption as;
  as.segment_bytes = kept.head.segment_bytes;
  as.slots.resize(by_slot.size());
  for (std::size_t i = 0; i < by_slot.size(); ++i) {
    if (by_slot[i] != nullptr) as.slots[i].now = by_slot[i]->slot;
  }
  std::vector<segment_index::adoption> sums(taking_threads, as);
  std::vector<std::future<result<void>>> parts;
  for (std::size_t i = 0; i < taking_threads; ++i) {
    const std::uint64_t first = kept.head.entry_pieces * i / taking_threads;
    const std::uint64_t end = kept.head.entry_pieces * (i + 1) / taking_threads;
    const auto how = i + 1 < taking_threads ? beside() : std::launch::deferred; // the last one is this thread's
    parts.push_back(std::async(how, [&, first, end, i] { return take_part(kept, first, end, sums[i]); }));
  }
  result<void> outcome;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    auto taken = part->get();
    if (!taken) outcome = taken;
  }
  if (!outcome) return outcome;
  for (const segment_index::adoption& sum : sums) {
    for (std::size_t i = 0; i < by_slot.size(); ++i) {
      if (by_slot[i] != nullptr) by_slot[i]->live_bytes += sum.slots[i].live_bytes;
    }
    for (std::size_t i = 0; i < sum.tenant_bytes.size(); ++i) shelf_.tenant_bytes_[i] += sum.tenant_bytes[i];
    shelf_.kept_bytes_ += sum.kept_bytes;
  }
  return {};
}

result<void> shelf_recovery::take_part(const kept_index& kept, std::uint64_t first, std::uint64_t end,
                                       segment_index::adoption& as) {
  std::vector<segment_index::stored_entry> entries;
  return read_index_pieces(*kept.from, kept.head, first, end,
                           [&](index_rows kind, std::span<const std::byte> rows) -> result<void> {
                             if (kind != index_rows::entries)
                               return fail(error_kind::broken, "disk tier", "other rows among the entries");
                             entries.clear();
                             append_rows(entries, rows);
                             shelf_.index_.adopt(entries, as);
                             return {};
                           });
}

std::vector<shelf_recovery::read_segment> shelf_recovery::read_all(const std::vector<std::uint64_t>& numbers) {
  std::vector<read_segment> all(numbers.size());
  std::atomic<std::size_t> next{0};
  const auto read_on = [&] {
    for (std::size_t mine; (mine = next.fetch_add(1)) < numbers.size();) all[mine] = read(numbers[mine]);
  };
  std::vector<std::thread> threads;
  const std::size_t count = std::min<std::size_t>(shelf_.settings_.recovery_threads, numbers.size());
  for (std::size_t i = 1; i < count; ++i) threads.emplace_back(read_on);
  read_on();
  for (std::thread& each : threads) each.join();
  return all;
}

/// Purges that were acknowledged after the index was written. It holds nothing that was put after them.
void shelf_recovery::obey_new_purges(const kept_index& kept) {
  std::unordered_map<object_key, std::uint64_t, key128_hash> obeyed;
  for (const index_purge& each : kept.purges) obeyed[object_key{each.object}] = each.sequence;
  for (const auto& [object, sequence] : shelf_.purged_.objects) {
    const auto found = obeyed.find(object);
    if (found != obeyed.end() && found->second >= sequence) continue;
    if (const auto gone = shelf_.index_.erase_record(object)) shelf_.add_live(gone->slot, *gone, false);
  }
}

/// Nothing was loaded.
void shelf_recovery::start_over() {
  shelf_.index_.clear();
  shelf_.segments_.clear();
  shelf_.free_slots_.clear();
  for (auto& each : shelf_.tenant_bytes_) each = 0;
  for (auto& each : shelf_.streams_) each.reset();
  shelf_.closing_.clear();
  shelf_.kept_bytes_ = 0;
  shelf_.index_name_.clear();
  in_slot_.clear();
  records_.clear();
  kept_up_to_ = 0;
  full_ = false;
}

/// The numbers of segments may begin again below those that it names: it must not meet them.
result<void> shelf_recovery::forget_kept(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!is_index_file(name)) continue;
    auto removed = shelf_.volume_->remove(name);
    if (!removed && removed.error().kind != error_kind::not_found) return removed;
  }
  return {};
}

} // namespace forebay::storage::disk
