#include <algorithm>

#include "base/log.h"
#include "storage/disk/shelf.h"

// What the writer's thread does: takes what waits, appends it to the segments at the heads of the two streams, and
// tells the index once the bytes are in the file.
namespace forebay::storage::disk {
namespace {

/// How long a ghost counts, in sizes of the directory let go since: an analysis that passes over twice what the
/// directory holds keeps a part of it.
constexpr std::uint64_t ghost_window_sizes = 2;
/// Room that trimming a namespace over its quota makes at once, as a share of the quota.
constexpr std::uint64_t trim_share = 16;

} // namespace

bool shelf::write_batch() {
  enforce_quotas();
  std::deque<waiting> batch;
  {
    const std::lock_guard guard(queue_mutex_);
    std::uint64_t bytes = 0;
    while (!queue_.empty() && bytes < settings_.batch_bytes) {
      waiting& next = queue_.front();
      std::uint64_t length = next.text.size();
      for (const auto& each : next.bytes) length += each.length_bytes();
      bytes += length;
      batch.push_back(std::move(next));
      queue_.pop_front();
    }
    queued_bytes_ -= std::min(bytes, queued_bytes_);
  }
  for (waiting& each : batch) {
    if (state_now() == state::serving) {
      write_one(each);
    } else {
      counts_.dropped_writes.fetch_add(1, std::memory_order_relaxed);
      lose(each.head);
    }
  }
  flush(stream_kind::small);
  flush(stream_kind::main);
  if (index_is_due()) {
    keep_index();
    if (segment_is_full_) {
      segment_is_full_();
    } else {
      seal_index();
    }
  }
  return !batch.empty();
}

void shelf::finish() {
  while (write_batch()) {}
  while (close_next()) {}
  if (counts_.written_bytes.load(std::memory_order_relaxed) == index_kept_at_) return;
  keep_index();
  seal_index();
}

void shelf::write_one(waiting& item) {
  if (item.head.kind == entry_kind::extent) {
    write_extent(item);
    return;
  }
  const auto bytes = std::as_bytes(std::span(item.text));
  item.head.payload_bytes = static_cast<std::uint32_t>(bytes.size());
  open_segment* const into = stream_for(stream_kind::small, bytes.size());
  if (into == nullptr) return lose(item.head);
  if ((item.head.flags & flag_kept) != 0) kept_.note(item.head.offset, object_key{item.head.key});
  into->add(item.head, turn_, std::span(&bytes, 1), {});
  counts_.stored_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
}

/// Writes those parts of an extent that are not here yet.
void shelf::write_extent(waiting& item) {
  const version_key version{item.head.key};
  std::uint64_t end = item.head.offset;
  for (const auto& each : item.bytes) end += each.length_bytes();
  for (std::uint64_t at = item.head.offset; at < end;) {
    std::uint64_t part_end =
        std::min({end, at + longest_payload(),
                  at / segment_index::group_bytes * segment_index::group_bytes + segment_index::group_bytes});
    if (const auto held = index_.first_run(version, {at, part_end})) {
      if (held->begin <= at) {
        at = held->end;
        continue;
      }
      part_end = held->begin;
    }
    write_piece(item, at, part_end - at);
    at = part_end;
  }
}

void shelf::write_piece(const waiting& item, std::uint64_t from, std::uint64_t length) {
  entry_head head = item.head;
  head.offset = from;
  head.payload_bytes = static_cast<std::uint32_t>(length);
  if (kept_.holds(head.key.prefix()) && room_to_keep(length)) head.flags = flag_kept;
  if (!admitted(head, length)) {
    counts_.dropped_writes.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  std::vector<std::span<const std::byte>> pieces;
  std::uint64_t at = item.head.offset;
  for (const auto& each : item.bytes) {
    const byte_range part = intersect({at, at + each.length_bytes()}, {from, from + length});
    if (!part.empty()) pieces.push_back(each.bytes.subspan(part.begin - at, part.length_bytes()));
    at += each.length_bytes();
  }
  open_segment* const into = stream_for(stream_of(head), length);
  if (into == nullptr) return;
  into->add(head, turn_, pieces, {});
  counts_.stored_bytes.fetch_add(length, std::memory_order_relaxed);
}

/// The operator may keep more than fits: what comes then is ordinary.
bool shelf::room_to_keep(std::uint64_t bytes) const noexcept {
  return kept_bytes_.load() + bytes <= settings_.size_bytes / 100 * settings_.kept_percent;
}

/// Within the quota of its namespace, whose oldest extents make room.
bool shelf::admitted(const entry_head& head, std::uint64_t bytes) {
  const std::uint64_t quota = quotas_[head.tenant].load(std::memory_order_relaxed);
  if (quota == 0) return true;
  // What is staged is not in the index, and may be its own: near the quota that must be known.
  std::uint64_t staged = 0;
  for (const auto& each : streams_) staged += each != nullptr ? each->staged_bytes() : 0;
  if (tenant_bytes(head.tenant) + staged + bytes <= quota) return true;
  for (const auto each : {stream_kind::small, stream_kind::main}) flush(each);
  if (tenant_bytes(head.tenant) + bytes <= quota) return true;
  if (bytes > quota) return false;
  const std::uint64_t room = std::max(bytes, quota / trim_share);
  trim_tenant(head.tenant, quota - std::min(room, quota));
  return tenant_bytes(head.tenant) + bytes <= quota;
}

/// S3-FIFO: new bytes pass through the small stream; those that were let go not long ago have proved themselves.
stream_kind shelf::stream_of(const entry_head& head) {
  if ((head.flags & flag_kept) != 0) return stream_kind::main;
  const std::uint64_t window_grains = ghost_window_sizes * (settings_.size_bytes / grain_bytes);
  const bool came_back = ghosts_.take(ghost_of(head.key, head.offset), window_grains);
  return came_back ? stream_kind::main : stream_kind::small;
}

/// The segment that takes `payload` more bytes, or null when the directory takes none.
open_segment* shelf::stream_for(stream_kind stream, std::uint64_t payload) {
  auto& at = streams_[static_cast<std::size_t>(stream)];
  // Again after a roll: making room may have opened the next segment already, and filled it with what it carried over.
  for (std::uint64_t turn = 0; turn <= segments_limit_; ++turn) {
    if (at != nullptr && at->full()) flush(stream);
    if (at != nullptr && at->fits(payload)) return at.get();
    if (!roll(stream)) break;
  }
  counts_.dropped_writes.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

result<void> shelf::roll(stream_kind stream) {
  auto& at = streams_[static_cast<std::size_t>(stream)];
  if (at != nullptr) flush(stream);
  if (at != nullptr) close_later(std::move(at)); // not failed
  if (state_now() != state::serving)
    return fail(error_kind::exhausted, "disk tier", volume_->name() + " takes no bytes");
  if (!evicting_) make_room();
  // Making room may have opened this stream already, for what it carried over.
  if (at != nullptr) return {};
  auto made = make_segment(stream);
  if (!made && made.error().kind == error_kind::exhausted && !evicting_) {
    // The disk is full of other people's files: live with the room we have.
    {
      const std::lock_guard guard(segments_mutex_);
      const auto present = static_cast<std::uint64_t>(segments_.size() - free_slots_.size());
      segments_limit_ = std::max<std::uint64_t>(present, segments_least);
      log::warn("disk", "{}: {}; staying at {} segments", volume_->name(), made.error().context, segments_limit_);
    }
    make_room();
    if (at != nullptr) return {};
    made = make_segment(stream);
  }
  if (!made) {
    write_failed(stream, made.error());
    return fail(made.error());
  }
  at = std::move(*made);
  return {};
}

void shelf::close_later(std::unique_ptr<open_segment> full) {
  full->end();
  std::size_t waiting = 0;
  {
    const std::lock_guard guard(closing_mutex_);
    closing_.push_back(std::move(full));
    waiting = closing_.size();
  }
  const std::size_t limit = segment_is_full_ ? closing_limit : 0;
  for (; waiting > limit && close_next(); --waiting) {}
  if (segment_is_full_) segment_is_full_();
}

bool shelf::close_next() {
  const std::lock_guard one_at_a_time(close_mutex_);
  open_segment* next = nullptr;
  {
    const std::lock_guard guard(closing_mutex_);
    if (!closing_.empty()) next = closing_.front().get(); // it stays in the list, so that eviction finds its rows
  }
  if (next == nullptr) return seal_index();
  const std::uint64_t before = next->written_bytes();
  const auto closed = next->close();
  counts_.written_bytes.fetch_add(next->written_bytes() - before, std::memory_order_relaxed);
  if (!closed) count_write_error(closed.error());
  const std::lock_guard guard(closing_mutex_);
  closing_.pop_front();
  return true;
}

result<std::unique_ptr<open_segment>> shelf::make_segment(stream_kind stream) {
  segment_head head;
  head.store = identity_;
  head.number = ++last_number_;
  head.segment_bytes = settings_.segment_bytes;
  head.stream = static_cast<std::uint32_t>(stream);
  seal(head);
  segment named;
  named.number = head.number;
  auto created = volume_->create(named.file_name(), settings_.segment_bytes);
  if (!created) return fail(created.error());
  const std::shared_ptr<file> into = std::move(*created);
  const sector_buffer sector(sector_bytes);
  std::memset(sector.data(), 0, sector_bytes);
  std::memcpy(sector.data(), &head, sizeof head);
  auto written = into->write(0, sector.span());
  if (!written) {
    volume_->remove(named.file_name());
    return fail(written.error());
  }
  counts_.written_bytes.fetch_add(sector_bytes, std::memory_order_relaxed);
  return std::make_unique<open_segment>(add_segment(head.number, stream), into, settings_.segment_bytes,
                                        settings_.batch_bytes, sector_bytes, std::vector<footer_row>{},
                                        noted_rows{0, sector_bytes, settings_.segment_bytes});
}

void shelf::flush(stream_kind stream) {
  auto& at = streams_[static_cast<std::size_t>(stream)];
  if (at == nullptr || !at->dirty()) return;
  const std::uint64_t before = at->written_bytes();
  auto flushed = at->flush();
  if (!flushed) {
    write_failed(stream, flushed.error());
    return;
  }
  for (const auto& each : *flushed) settle(each, at->of());
  const auto noted = at->note_rows(settings_.noted_every_bytes);
  counts_.written_bytes.fetch_add(at->written_bytes() - before, std::memory_order_relaxed);
  if (!noted) write_failed(stream, noted.error());
}

/// The bytes of an entry are in the file: readers may find it.
void shelf::settle(const open_segment::pending& done, segment& in) {
  place to = place_of(done.row, in.slot);
  to.uses = done.uses;
  auto& lowest = in.lowest_sequence;
  if (done.row.sequence < lowest.load(std::memory_order_relaxed)) lowest.store(done.row.sequence);
  highest_written_ = std::max(highest_written_, done.row.sequence);

  const std::lock_guard guard(purged_mutex_);
  if (purged(done.row)) return;
  if (!done.from.empty()) {
    settle_survivor(done, to);
  } else if (done.row.kind == entry_kind::record) {
    if (const auto replaced = index_.put_record(object_key{done.row.key}, to))
      add_live(replaced->slot, *replaced, false);
    add_live(to.slot, to, true);
  } else if (index_.insert(version_key{done.row.key}, to)) {
    add_live(to.slot, to, true);
  }
}

/// One entry moves in one step. Several that became one: all of them must still be where they were.
void shelf::settle_survivor(const open_segment::pending& done, const place& to) {
  if (done.from.size() == 1) {
    const auto& [from, offset] = done.from.front();
    if (!index_.move(done.row.kind, done.row.key, offset, from, to)) return;
    add_live(from.slot, from, false);
    add_live(to.slot, to, true);
    return;
  }
  const bool all_there = std::all_of(done.from.begin(), done.from.end(), [&](const auto& each) {
    return index_.at(done.row.kind, done.row.key, each.second, each.first).has_value();
  });
  if (!all_there) return;
  for (const auto& [from, offset] : done.from) {
    if (index_.remove(done.row.kind, done.row.key, offset, from)) add_live(from.slot, from, false);
  }
  if (index_.insert(version_key{done.row.key}, to)) add_live(to.slot, to, true);
}

/// What was in the stream's segment before stays readable; the segment gets no footer and no more entries.
void shelf::write_failed(stream_kind stream, const error& why) {
  const auto failed = std::move(streams_[static_cast<std::size_t>(stream)]);
  count_write_error(why);
  if (failed == nullptr) return;
  for (const auto& each : failed->not_written()) {
    entry_head head;
    head.kind = each.row.kind;
    head.key = each.row.key;
    lose(head);
  }
}

void shelf::count_write_error(const error& why) {
  const bool hopeless = why.kind == error_kind::forbidden;
  count_error(counts_.write_errors, why);
  if (hopeless && state_now() == state::serving) {
    state_.store(state::read_only, std::memory_order_release);
    log::error("disk", "{} takes no writes: what it holds is served on", volume_->name());
  }
}

} // namespace forebay::storage::disk
