#include "storage/disk/shelf.h"

#include <algorithm>

#include "base/hash.h"
#include "base/log.h"

namespace forebay::storage::disk {
namespace {

/// Ghosts: one for each of this many bytes of the directory, eight bytes of memory each.
constexpr std::uint64_t bytes_per_ghost = 256u << 10;

} // namespace

std::string_view to_string(shelf_state state) noexcept {
  switch (state) {
  case shelf_state::serving: return "serving";
  case shelf_state::read_only: return "read_only";
  case shelf_state::off: break;
  }
  return "off";
}

std::uint64_t members_fingerprint(std::vector<key128> directories) {
  std::sort(directories.begin(), directories.end());
  return xxh3_64(std::as_bytes(std::span(directories)));
}

shelf::shelf(std::unique_ptr<volume> in, shelf_settings settings, sequence_source& sequence, purged_keys purged,
             kept_versions& kept)
    : volume_(std::move(in)),
      settings_(settings),
      sequence_(sequence),
      kept_(kept),
      purged_(std::move(purged)),
      any_version_purged_(!purged_.versions.empty()),
      members_(purged_.members),
      ghosts_(settings.size_bytes / bytes_per_ghost) {}

shelf::~shelf() = default;

std::optional<byte_range> shelf::find(const version_key& version, byte_range within) const {
  if (state_now() == state::off) return std::nullopt;
  if (version_forgotten(version)) return std::nullopt;
  return index_.first_run(version, within);
}

bool shelf::version_forgotten(const version_key& version) const {
  if (!any_version_purged_.load(std::memory_order_acquire)) return false;
  const std::lock_guard guard(purged_mutex_);
  return purged_.versions.contains(version);
}

bool shelf::offer(const version_key& version, std::uint64_t offset, std::vector<net::slice> bytes, tenant_id tenant) {
  waiting item;
  item.head.kind = entry_kind::extent;
  item.head.tenant = std::min<tenant_id>(tenant, segment_index::tenant_max);
  item.head.key = version;
  item.head.offset = offset;
  std::uint64_t length = 0;
  for (const auto& each : bytes) length += each.length_bytes();
  if (length == 0 || offset % grain_bytes != 0 || offset + length > segment_index::object_bytes_max) return false;
  item.bytes = std::move(bytes);
  return enqueue(std::move(item), length);
}

bool shelf::offer_record(const object_key& object, const version_key& version, std::string encoded, bool kept) {
  waiting item;
  item.head.kind = entry_kind::record;
  item.head.flags = kept ? flag_kept : 0;
  item.head.key = object;
  item.head.offset = version.prefix(); // so that eviction can tell whether the record still leads to bytes
  if (encoded.empty() || encoded.size() > longest_payload()) return false;
  item.text = std::move(encoded);
  const std::uint64_t length = item.text.size();
  return enqueue(std::move(item), length);
}

bool shelf::enqueue(waiting item, std::uint64_t length) {
  std::unique_lock guard(queue_mutex_);
  const bool is_record = item.head.kind == entry_kind::record;
  const std::uint64_t room = settings_.queue_bytes + (is_record ? settings_.queue_bytes / record_room_share : 0);
  if (state_now() != state::serving || queued_bytes_ + length > room) {
    guard.unlock();
    counts_.dropped_writes.fetch_add(1, std::memory_order_relaxed);
    lose(item.head);
    return false;
  }
  // Numbered here and not when it is written: a purge that comes in between must cover it.
  item.head.sequence = sequence_.fetch_add(1, std::memory_order_relaxed);
  item.since = offered_at_ = settings_.time->steady();
  const bool was_full = queued_bytes_ >= urgent_bytes();
  queued_bytes_ += length;
  const bool is_full = queued_bytes_ >= urgent_bytes();
  queue_.push_back(std::move(item));
  guard.unlock();
  if (is_full && !was_full && batch_is_full_) batch_is_full_();
  return true;
}

/// The object's latest record will not be here: then none is.
void shelf::lose(const entry_head& head) {
  if (head.kind == entry_kind::record && record_is_lost_) record_is_lost_(object_key{head.key});
}

bool shelf::worth_writing(steady_time since) const {
  if (quotas_changed_.load(std::memory_order_acquire)) return true;
  const std::lock_guard guard(queue_mutex_);
  if (queue_.empty()) return false;
  if (queued_bytes_ >= urgent_bytes()) return true;
  const steady_time now = settings_.time->steady(), oldest = queue_.front().since;
  const bool in_burst = now - offered_at_ < settings_.burst_pause && now - oldest < settings_.burst_limit;
  return !in_burst && (queued_bytes_ >= settings_.batch_bytes || oldest <= since);
}

/// So much is written whatever else goes on.
std::uint64_t shelf::urgent_bytes() const noexcept {
  if (settings_.burst_pause.count() == 0) return settings_.batch_bytes;
  const std::uint64_t free_bytes = std::max(settings_.queue_bytes / 4, settings_.burst_room_bytes);
  const std::uint64_t rest = settings_.queue_bytes - std::min(free_bytes, settings_.queue_bytes);
  return std::max<std::uint64_t>(rest, settings_.batch_bytes);
}

result<std::shared_ptr<file>> shelf::file_of(segment& of) {
  const std::lock_guard guard(of.mutex);
  if (of.kept_file != nullptr) return of.kept_file;
  auto opened = volume_->open(of.file_name());
  if (!opened) return fail(opened.error());
  std::shared_ptr<file> shared = std::move(*opened);
  if (of.dropped) return shared;
  if (open_files_.fetch_add(1, std::memory_order_relaxed) < settings_.open_files) {
    of.kept_file = shared;
  } else {
    open_files_.fetch_sub(1, std::memory_order_relaxed);
  }
  return shared;
}

std::shared_ptr<segment> shelf::segment_at(std::uint32_t slot) const {
  const std::lock_guard guard(segments_mutex_);
  return slot < segments_.size() ? segments_[slot] : nullptr;
}

result<sector_span> shelf::read_stored(segment& of, std::uint64_t begin, std::uint64_t end) {
  auto opened = file_of(of);
  if (!opened) return fail(opened.error());
  auto stored = read_sectors(**opened, begin, end);
  if (stored) counts_.read_bytes.fetch_add(stored->sectors.size_bytes(), std::memory_order_relaxed);
  return stored;
}

std::shared_ptr<segment> shelf::add_segment(std::uint64_t number, stream_kind stream) {
  auto made = std::make_shared<segment>();
  made->number = number;
  made->stream = stream;
  const std::lock_guard guard(segments_mutex_);
  if (free_slots_.empty()) {
    made->slot = static_cast<std::uint32_t>(segments_.size());
    segments_.push_back(made);
  } else {
    made->slot = free_slots_.back();
    free_slots_.pop_back();
    segments_[made->slot] = made;
  }
  return made;
}

void shelf::add_live(std::uint32_t slot, const place& of, bool added) {
  if (const auto in = segment_at(slot)) add_live(*in, of, added);
}

void shelf::add_live(segment& in, const place& of, bool added) {
  const std::int64_t bytes = added ? of.payload_bytes : -std::int64_t{of.payload_bytes};
  in.live_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (of.kind != entry_kind::extent) return;
  tenant_bytes_[of.tenant].fetch_add(static_cast<std::uint64_t>(bytes), std::memory_order_relaxed);
  if (of.kept) kept_bytes_.fetch_add(static_cast<std::uint64_t>(bytes), std::memory_order_relaxed);
}

result<shelf::run> shelf::read(const version_key& version, byte_range wanted) {
  const auto gone = [] { return fail(error_kind::not_found, "disk tier", "the extent is gone"); };
  const auto found = index_.covering(version, wanted.begin);
  if (!found || state_now() == state::off) return gone();
  const auto in = segment_at(found->slot);
  if (in == nullptr) return gone();

  const std::uint64_t first = (wanted.begin - found->offset) / block_bytes;
  const std::uint64_t end = std::min<std::uint64_t>(
      round_up(std::max(wanted.end, wanted.begin + 1) - found->offset, block_bytes), found->payload_bytes);
  const auto payload = static_cast<std::size_t>(end - first * block_bytes);
  const std::uint64_t begins = block_position(found->position, first);
  const std::uint64_t ends = begins + payload / block_bytes * block_stride_bytes +
                             (payload % block_bytes == 0 ? 0 : payload % block_bytes + checksum_bytes);
  auto stored = read_stored(*in, begins, ends);
  const bool still_there =
      index_.at(entry_kind::extent, version, found->offset, *found).has_value() && segment_at(found->slot) == in;
  if (!stored) {
    if (!still_there) return gone();
    read_failed(*in, stored.error());
    return fail(stored.error());
  }
  const std::uint64_t offset = found->offset + first * block_bytes;
  const std::size_t good = verify_blocks(version, offset, payload, stored->bytes());
  if (good < payload) {
    if (!still_there) return gone();
    damaged(version, *found, static_cast<std::size_t>(first) + good / block_bytes, *in);
    if (good == 0) return gone();
  }
  count_use(version, *found, good);
  return run{std::move(*stored), {offset, offset + good}, found->tenant};
}

/// A pass over an extent is one use, in however many reads it comes: each counts with the share that it read.
void shelf::count_use(const version_key& version, const place& of, std::size_t bytes) {
  const std::uint64_t turn = uses_turn_.fetch_add(bytes, std::memory_order_relaxed);
  const bool counts = turn / of.payload_bytes != (turn + bytes) / of.payload_bytes;
  if (counts) index_.touch(version, of.offset);
}

result<shelf::found_record> shelf::read_record(const object_key& object) {
  const auto gone = [] { return fail(error_kind::not_found, "disk tier", "no record"); };
  const auto found = index_.record(object);
  if (!found || state_now() == state::off) return gone();
  const auto in = segment_at(found->slot);
  if (in == nullptr) return gone();
  const auto stored = read_stored(*in, found->position, found->position + stored_bytes(found->payload_bytes));
  const bool still_there =
      index_.at(entry_kind::record, object, 0, *found).has_value() && segment_at(found->slot) == in;
  if (!still_there) return gone();
  if (!stored) {
    read_failed(*in, stored.error());
    return fail(stored.error());
  }
  const auto entry = stored->bytes();
  const auto head = read_entry_head(entry);
  const bool ours = head && head->kind == entry_kind::record && head->key == object && head->segment == in->number &&
                    head->payload_bytes == found->payload_bytes;
  const auto blocks = entry.subspan(sizeof(entry_head));
  if (!ours || verify_blocks(object, head->offset, head->payload_bytes, blocks) < head->payload_bytes) {
    if (index_.remove(entry_kind::record, object, 0, *found)) add_live(found->slot, *found, false);
    count_damage(*in, "a record");
    return gone();
  }
  index_.touch_record(object);
  found_record told{std::string(head->payload_bytes, '\0'), head->sequence, head->offset,
                    (head->flags & flag_kept) != 0};
  copy_payload(blocks, 0, std::as_writable_bytes(std::span(told.encoded)));
  return told;
}

/// Forgets the block alone: what is before and behind it stays.
void shelf::damaged(const version_key& version, const place& at, std::size_t block, segment& in) {
  in.irregular.store(true, std::memory_order_release);
  if (!index_.remove(entry_kind::extent, version, at.offset, at)) return;
  add_live(at.slot, at, false);
  const std::uint64_t before = block * block_bytes;
  const std::uint64_t behind = before + block_bytes;
  place part = at;
  if (before > 0) {
    part.payload_bytes = static_cast<std::uint32_t>(before);
    if (index_.insert(version, part)) add_live(part.slot, part, true);
  }
  if (behind < at.payload_bytes) {
    part.offset = at.offset + behind;
    part.payload_bytes = static_cast<std::uint32_t>(at.payload_bytes - behind);
    part.position = at.position + (block + 1) * block_stride_bytes;
    if (index_.insert(version, part)) add_live(part.slot, part, true);
  }
  count_damage(in, "a block");
}

void shelf::count_damage(segment& in, const char* what) {
  if (in.was_open) {
    counts_.torn_blocks.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  counts_.damaged_blocks.fetch_add(1, std::memory_order_relaxed);
  log::warn("disk", "{}: {} in {} is damaged and will be fetched again", volume_->name(), what, in.file_name());
  if (errors_.fetch_add(1, std::memory_order_relaxed) + 1 == settings_.errors_limit) turn_off("too much is damaged");
}

void shelf::read_failed(segment& in, const error& why) {
  if (why.kind != error_kind::not_found) {
    count_error(counts_.read_errors, why);
    return;
  }
  // Somebody deleted the file: all of it is gone, and asking again would not help.
  if (in.lost.exchange(true)) return;
  log::warn("disk", "{}; what was in it will be fetched again", why.context);
  counts_.read_errors.fetch_add(1, std::memory_order_relaxed);
  for (const place& each : index_.remove_slot(in.slot)) add_live(in.slot, each, false);
}

void shelf::count_error(std::atomic<std::uint64_t>& which, const error& why) {
  which.fetch_add(1, std::memory_order_relaxed);
  log::warn("disk", "{}", why.message());
  if (errors_.fetch_add(1, std::memory_order_relaxed) + 1 == settings_.errors_limit) turn_off("too many errors");
}

void shelf::turn_off(const std::string& why) {
  if (state_.exchange(state::off, std::memory_order_acq_rel) == state::off) return;
  log::error("disk", "{} is no longer used: {} ({} errors and damaged blocks); the rest of the node serves on",
             volume_->name(), why, errors_.load());
  if (is_off_) is_off_();
}

void shelf::forget_object(const object_key& object, std::uint64_t sequence) {
  const std::lock_guard guard(purged_mutex_);
  auto& known = purged_.objects[object];
  known = std::max(known, sequence);
  if (const auto gone = index_.erase_record(object)) add_live(gone->slot, *gone, false);
}

void shelf::forget_version(const version_key& version, std::uint64_t sequence) {
  const std::lock_guard guard(purged_mutex_);
  auto& known = purged_.versions[version];
  known = std::max(known, sequence);
  any_version_purged_.store(true, std::memory_order_release);
}

bool shelf::purged(const footer_row& row) const {
  if (row.kind == entry_kind::record) {
    if (row.sequence < purged_.before) return true;
    const auto found = purged_.objects.find(object_key{row.key});
    return found != purged_.objects.end() && row.sequence < found->second;
  }
  return !purged_.versions.empty() && purged_.versions.contains(version_key{row.key});
}

std::uint64_t shelf::oldest_sequence() const {
  std::uint64_t oldest = sequence_.load(std::memory_order_relaxed);
  {
    const std::lock_guard guard(segments_mutex_);
    for (const auto& each : segments_) {
      if (each != nullptr) oldest = std::min(oldest, each->lowest_sequence.load(std::memory_order_relaxed));
    }
  }
  const std::lock_guard guard(queue_mutex_);
  return queue_.empty() ? oldest : std::min(oldest, queue_.front().head.sequence);
}

void shelf::set_quota(tenant_id tenant, std::uint64_t bytes) {
  const auto before =
      quotas_[std::min<tenant_id>(tenant, segment_index::tenant_max)].exchange(bytes, std::memory_order_relaxed);
  if (bytes != before && bytes != 0) quotas_changed_.store(true, std::memory_order_release);
}

std::uint64_t shelf::quota(tenant_id tenant) const noexcept {
  return quotas_[std::min<tenant_id>(tenant, segment_index::tenant_max)].load(std::memory_order_relaxed);
}

std::uint64_t shelf::tenant_bytes(tenant_id tenant) const noexcept {
  return tenant_bytes_[std::min<tenant_id>(tenant, segment_index::tenant_max)].load(std::memory_order_relaxed);
}

shelf::usage shelf::usage_now() const {
  usage told{state_now(), 0, settings_.segment_bytes, 0, 0, index_.entries(), 0, 0, index_was_kept_};
  told.index_bytes = index_.memory_bytes() + ghosts_.memory_bytes();
  {
    const std::lock_guard guard(segments_mutex_);
    told.capacity_bytes = segments_limit_ * settings_.segment_bytes;
    for (const auto& each : segments_) {
      if (each == nullptr) continue;
      ++told.segments;
      told.live_bytes += static_cast<std::uint64_t>(std::max<std::int64_t>(each->live_bytes.load(), 0));
    }
  }
  const std::lock_guard guard(queue_mutex_);
  told.queued_bytes = queued_bytes_;
  return told;
}

} // namespace forebay::storage::disk
