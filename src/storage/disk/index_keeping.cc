#include <algorithm>

#include "base/log.h"
#include "storage/disk/index_file.h"
#include "storage/disk/shelf.h"

// The index as a file, so that a start reads it and what was written since, and not every footer. The writer's thread
// writes it: nobody else inserts, so what the rows of the segments say and what is in the file belong together.
namespace forebay::storage::disk {
namespace {

/// An index is written again after so many times its bytes were written to segments.
constexpr std::uint64_t bytes_per_index_byte = 16;
/// Parts of damaged extents may come in while it is written: a little room for them, as a share.
constexpr std::uint64_t growth_share = 64;

} // namespace

bool shelf::index_is_due() const {
  if (settings_.index_every_bytes == 0) return false;
  const std::uint64_t index_bytes = index_.entries() * sizeof(segment_index::stored_entry);
  const std::uint64_t written = counts_.written_bytes.load(std::memory_order_relaxed);
  return written - index_kept_at_ >= std::max(settings_.index_every_bytes, index_bytes * bytes_per_index_byte);
}

void shelf::keep_index() {
  if (state_now() != state::serving || settings_.index_every_bytes == 0) return;
  std::string name = index_file_names[0];
  {
    const std::lock_guard guard(closing_mutex_);
    if (index_to_seal_) return;
    if (index_name_ == name) name = index_file_names[1];
  }
  auto made = write_index(name);
  index_kept_at_ = counts_.written_bytes.load(std::memory_order_relaxed);
  if (!made) {
    volume_->remove(name);
    log::debug("disk", "{}: the index is not kept: {}", volume_->name(), made.error().context);
    if (made.error().kind == error_kind::broken) count_error(counts_.write_errors, made.error());
    return;
  }
  const std::lock_guard guard(closing_mutex_);
  index_to_seal_ = std::move(*made);
}

result<shelf::unsealed_index> shelf::write_index(const std::string& name) {
  unsealed_index made;
  made.name = name;
  index_head& head = made.head;
  head.store = identity_;
  head.segment_bytes = settings_.segment_bytes;
  head.written = highest_written_;
  head.last_number = last_number_;
  // A list of members is numbered after it was told here, a purge before: see `shelf_recovery::fits`.
  head.sequence = sequence_.load();
  head.members = members_.load();
  std::vector<index_purge> purges;
  {
    const std::lock_guard guard(purged_mutex_);
    for (const auto& [object, sequence] : purged_.objects) purges.push_back({object, sequence});
  }
  head.entries = index_.entries();
  std::vector<index_kept> kept;
  for (const auto& [version_prefix, object] : kept_.all()) kept.push_back({version_prefix, object});
  std::size_t segments = 0;
  {
    const std::lock_guard guard(segments_mutex_);
    segments = segments_.size();
  }
  const std::uint64_t room = pieces_for(index_rows::entries, head.entries + head.entries / growth_share) + 1 +
                             pieces_for(index_rows::purges, purges.size()) + pieces_for(index_rows::kept, kept.size()) +
                             pieces_for(index_rows::segments, segments);
  volume_->remove(name);
  auto created = volume_->create(name, index_file_bytes(room));
  if (!created) return fail(created.error());
  made.into = std::move(*created);
  index_writer into(*made.into, head.sequence, room);
  result<void> done;
  const bool all = index_.each_entry([&](std::span<const segment_index::stored_entry> some) {
    done = into.put(index_rows::entries, std::as_bytes(some));
    return done.has_value();
  });
  if (!done) return fail(done.error());
  if (!all) return fail(error_kind::exhausted, "disk tier", "its buckets grew meanwhile");
  auto pieces = into.end_piece();
  if (!pieces) return fail(pieces.error());
  head.entry_pieces = *pieces;
  // After the entries: parts of a damaged extent that are among them have marked their segment by now.
  auto table = index_table();
  if (!table) return fail(table.error());
  done = into.put(index_rows::segments, *table);
  if (done) done = into.put(index_rows::purges, purges);
  if (done) done = into.put(index_rows::kept, kept);
  if (!done) return fail(done.error());
  pieces = into.end_piece();
  if (!pieces) return fail(pieces.error());
  head.pieces = *pieces;
  done = into.flush();
  if (!done) return fail(done.error());
  counts_.written_bytes.fetch_add(index_file_bytes(head.pieces), std::memory_order_relaxed);
  return made;
}

/// What is flushed: nothing waits in the streams.
result<std::vector<index_segment>> shelf::index_table() {
  std::vector<std::shared_ptr<segment>> present;
  {
    const std::lock_guard guard(segments_mutex_);
    std::copy_if(segments_.begin(), segments_.end(), std::back_inserter(present),
                 [](const auto& each) { return each != nullptr; });
  }
  std::vector<index_segment> table;
  for (const auto& each : present) {
    index_segment row;
    row.number = each->number;
    row.lowest_sequence = each->lowest_sequence.load();
    row.slot = each->slot;
    row.stream = static_cast<std::uint16_t>(each->stream);
    if (each->irregular.load(std::memory_order_acquire)) row.flags |= index_segment::flag_irregular;
    if (each->was_open) row.flags |= index_segment::flag_was_open;
    if (!each->has_footer.load(std::memory_order_acquire)) {
      const auto rows = rows_of(*each);
      if (!rows) return fail(rows.error());
      row.rows = static_cast<std::uint32_t>(rows->size());
      if (!rows->empty()) {
        row.last_sequence = rows->back().sequence;
        row.last_position = rows->back().position;
      }
    }
    table.push_back(row);
  }
  return table;
}

/// Makes a written index the one that counts; false when none waits. It may wait for the disk.
bool shelf::seal_index() {
  unsealed_index waiting;
  {
    const std::lock_guard guard(closing_mutex_);
    if (!index_to_seal_) return false;
    waiting = *index_to_seal_;
  }
  seal(waiting.head);
  const sector_buffer sector(sector_bytes);
  std::memset(sector.data(), 0, sector_bytes);
  std::memcpy(sector.data(), &waiting.head, sizeof waiting.head);
  auto done = waiting.into->sync();
  if (done) done = waiting.into->write(0, sector.span());
  if (done) done = waiting.into->sync();
  if (!done) {
    volume_->remove(waiting.name);
    count_error(counts_.write_errors, done.error());
  }
  const std::lock_guard guard(closing_mutex_);
  if (done && !index_name_.empty()) volume_->remove(index_name_);
  if (done) index_name_ = waiting.name;
  index_to_seal_.reset();
  return true;
}

} // namespace forebay::storage::disk
