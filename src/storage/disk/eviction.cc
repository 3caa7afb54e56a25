#include <algorithm>
#include <map>

#include "base/log.h"
#include "storage/disk/shelf.h"

// S3-FIFO over two streams of segments: the oldest segment goes as a whole, and what was read meanwhile is appended to
// the main stream.
namespace forebay::storage::disk {
namespace {

/// Segments that eviction itself may need before its victim's room is free.
constexpr std::uint64_t spare_segments = 2;
/// A record of an object none of whose bytes lie in this many first groups is not looked at any further.
constexpr std::uint64_t groups_looked_at = 256;

} // namespace

void shelf::make_room() {
  std::uint64_t turns = 0;
  for (;;) {
    const bool index_fits = index_.entries() * segment_index::bytes_per_entry <= settings_.index_bytes;
    {
      const std::lock_guard guard(segments_mutex_);
      const auto present = static_cast<std::uint64_t>(segments_.size() - free_slots_.size());
      if (present + spare_segments < segments_limit_ && (index_fits || present <= spare_segments)) return;
    }
    const auto chosen = victim();
    if (chosen == nullptr) return;
    // Once around without gaining room: all of it is kept or in use, more than there is room for. Then the oldest goes.
    evict(chosen, ++turns <= segments_limit_);
  }
}

std::shared_ptr<segment> shelf::victim() const {
  const std::lock_guard guard(segments_mutex_);
  std::shared_ptr<segment> oldest[2], empty;
  std::uint64_t small_count = 0;
  for (const auto& each : segments_) {
    if (each == nullptr) continue;
    if (each->stream == stream_kind::small) ++small_count;
    const bool open = std::any_of(streams_.begin(), streams_.end(),
                                  [&](const auto& stream) { return stream != nullptr && &stream->of() == each.get(); });
    if (open) continue;
    auto& first = oldest[static_cast<std::size_t>(each->stream)];
    if (first == nullptr || each->number < first->number) first = each;
    if (each->live_bytes.load(std::memory_order_relaxed) <= 0) empty = each;
  }
  if (empty != nullptr) return empty;
  const bool small_is_large = small_count > std::max<std::uint64_t>(1, segments_limit_ * settings_.small_percent / 100);
  const auto& [small, main] = oldest;
  if (small != nullptr && (small_is_large || main == nullptr)) return small;
  return main;
}

void shelf::evict(const std::shared_ptr<segment>& chosen, bool carrying) {
  evicting_ = true;
  auto rows = rows_of(*chosen);
  if (rows) {
    if (carrying) carry_over(*chosen, survivors_of(*chosen, *rows));
    flush(stream_kind::main);
  } else {
    log::warn("disk", "{}: {} goes without a look: {}", volume_->name(), chosen->file_name(), rows.error().context);
    chosen->irregular.store(true, std::memory_order_release);
  }
  drop_segment(chosen, rows ? *rows : std::vector<footer_row>{});
  evicting_ = false;
}

bool shelf::deserves(const segment& chosen, const survivor& each) const {
  if (each.kept || each.at.uses > 0) return true;
  if (each.row.kind != entry_kind::record) return false;
  if (chosen.stream == stream_kind::small) return true;
  version_key version{}; // its first half is all that the index looks at
  std::memcpy(version.bytes.data(), &each.row.offset, sizeof each.row.offset);
  if (index_.first_run(version, {0, groups_looked_at * segment_index::group_bytes})) return true;
  const eviction_sink* const sink = sink_.load(std::memory_order_acquire);
  return sink != nullptr && sink->may_hold(version);
}

std::vector<shelf::survivor> shelf::survivors_of(const segment& chosen, const std::vector<footer_row>& rows) {
  std::vector<survivor> found;
  std::map<std::uint64_t, bool> confirmed; // many extents here may be of one version: asked once
  const auto shall_stay = [&](std::uint64_t version_prefix) {
    const auto [known, fresh] = confirmed.try_emplace(version_prefix, false);
    if (fresh) known->second = kept_.confirm(version_prefix);
    return known->second;
  };
  for (const footer_row& row : rows) {
    const place at = place_of(row, chosen.slot);
    const auto current = index_.at(row.kind, row.key, at.offset, at);
    if (!current) continue;
    survivor each{row, *current};
    if (row.kind == entry_kind::extent) {
      const bool fits = current->kept || room_to_keep(current->payload_bytes);
      each.kept = fits && shall_stay(row.key.prefix());
    } else { // without its record nothing of it would be kept
      each.kept = (row.flags & flag_kept) != 0 && shall_stay(row.offset);
    }
    if (deserves(chosen, each)) found.push_back(std::move(each));
  }
  if (chosen.stream == stream_kind::small) return found;
  // Of the main stream half a segment at most, the most used first, so that eviction always gains room. What leaves the
  // small stream goes over whole: a set in use must not lose its half to somebody's scan.
  const auto worth = [](const survivor& of) {
    return std::pair(of.kept, of.row.kind == entry_kind::record ? segment_index::uses_max + 1 : of.at.uses);
  };
  std::stable_sort(found.begin(), found.end(), [&](const auto& a, const auto& b) { return worth(a) > worth(b); });
  std::uint64_t bytes = 0;
  const auto last = std::find_if(found.begin(), found.end(), [&](const survivor& each) {
    bytes += stored_bytes(each.at.payload_bytes);
    return !each.kept && bytes > settings_.segment_bytes / 2;
  });
  found.erase(last, found.end());
  return found;
}

/// A record has its flag for good, an extent as long as it is kept.
std::uint8_t shelf::flags_of(const survivor& each) noexcept {
  if (each.row.kind == entry_kind::record) return each.row.flags & flag_kept;
  return each.kept ? flag_kept : 0;
}

void shelf::carry_over(segment& chosen, std::vector<survivor> kept) {
  std::sort(kept.begin(), kept.end(), [](const survivor& a, const survivor& b) {
    return std::tie(a.row.kind, a.row.key, a.at.offset) < std::tie(b.row.kind, b.row.key, b.at.offset);
  });
  for (std::size_t first = 0; first < kept.size();) {
    std::vector<std::byte> payload;
    open_segment::pending moved;
    entry_head head;
    std::size_t next = first;
    for (; next < kept.size(); ++next) {
      const survivor& each = kept[next];
      const bool joins = next == first || (each.row.kind == entry_kind::extent && each.row.kind == head.kind &&
                                           each.row.key == head.key && each.at.offset == head.offset + payload.size() &&
                                           each.row.tenant == head.tenant && flags_of(each) == head.flags &&
                                           payload.size() + each.at.payload_bytes <= longest_payload() &&
                                           each.at.offset % segment_index::group_bytes != 0);
      if (!joins) break;
      if (!read_payload(chosen, each, payload)) {
        ++next; // damaged: it goes, and what follows begins anew
        break;
      }
      if (moved.from.empty()) {
        head.kind = each.row.kind;
        head.flags = flags_of(each);
        head.tenant = each.row.tenant;
        head.key = each.row.key;
        head.offset = each.row.offset;
        head.sequence = each.row.sequence;
        moved.uses = chosen.stream == stream_kind::main && each.at.uses > 0 ? each.at.uses - 1 : 0;
      }
      head.sequence = std::min(head.sequence, each.row.sequence);
      moved.from.emplace_back(each.at, each.at.offset);
    }
    first = next;
    if (moved.from.empty()) continue;
    head.payload_bytes = static_cast<std::uint32_t>(payload.size());
    open_segment* const into = stream_for(stream_kind::main, payload.size());
    if (into == nullptr) return;
    const std::span<const std::byte> piece(payload);
    into->add(head, turn_, std::span(&piece, 1), std::move(moved));
    counts_.survived_bytes.fetch_add(payload.size(), std::memory_order_relaxed);
  }
}

/// Appends the entry's verified payload to `into`.
bool shelf::read_payload(segment& in, const survivor& each, std::vector<std::byte>& into) {
  const std::uint64_t ends = each.at.position + stored_bytes(each.at.payload_bytes);
  const auto stored = read_stored(in, each.at.position + sizeof(entry_head), ends);
  if (!stored) {
    read_failed(in, stored.error());
    return false;
  }
  const auto blocks = stored->bytes();
  if (verify_blocks(each.row.key, each.row.offset, each.at.payload_bytes, blocks) < each.at.payload_bytes) {
    count_damage(in, "an entry");
    return false;
  }
  const std::size_t before = into.size();
  into.resize(before + each.at.payload_bytes);
  copy_payload(blocks, 0, std::span(into).subspan(before));
  return true;
}

/// Offers an extent that is about to be forgotten to the next tier. The bytes are read only if that wants them, so a
/// full or dead one costs the eviction nothing.
void shelf::hand_down(segment& from, const footer_row& row, const place& at) {
  eviction_sink* const sink = sink_.load(std::memory_order_acquire);
  if (sink == nullptr || version_forgotten(version_key{row.key})) return;
  const version_key version{row.key};
  if (!sink->wants(version, at.range(), row.tenant)) return;
  std::vector<std::byte> payload;
  if (!read_payload(from, {row, at}, payload)) return;
  sink->take(version, at.offset, payload, row.tenant);
}

/// Forgets what is still in the segment, and the segment.
void shelf::drop_segment(const std::shared_ptr<segment>& gone, const std::vector<footer_row>& rows) {
  std::uint64_t bytes = 0;
  for (const footer_row& row : rows) {
    const place at = place_of(row, gone->slot);
    const auto current = index_.at(row.kind, row.key, at.offset, at);
    if (!current) continue;
    if (row.kind == entry_kind::extent) hand_down(*gone, row, *current);
    if (!index_.remove(row.kind, row.key, at.offset, at)) continue;
    add_live(gone->slot, *current, false);
    bytes += current->payload_bytes;
    if (row.kind == entry_kind::extent && gone->stream == stream_kind::small) {
      ghosts_.insert(ghost_of(row.key, row.offset),
                     static_cast<std::uint32_t>(grain_ceil(row.payload_bytes) / grain_bytes));
    }
  }
  if (gone->irregular.load(std::memory_order_acquire)) {
    for (const place& each : index_.remove_slot(gone->slot)) add_live(gone->slot, each, false);
  }
  {
    const std::lock_guard guard(segments_mutex_);
    segments_[gone->slot].reset();
    free_slots_.push_back(gone->slot);
  }
  {
    const std::lock_guard guard(gone->mutex);
    if (gone->kept_file != nullptr) open_files_.fetch_sub(1, std::memory_order_relaxed);
    gone->kept_file.reset();
    gone->dropped = true;
  }
  auto removed = volume_->remove(gone->file_name());
  if (!removed && removed.error().kind != error_kind::not_found) count_error(counts_.write_errors, removed.error());
  counts_.evicted_segments.fetch_add(1, std::memory_order_relaxed);
  counts_.evicted_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

/// After a quota was set: what was trimmed in an earlier run is back, too.
void shelf::enforce_quotas() {
  if (!quotas_changed_.exchange(false, std::memory_order_acq_rel)) return;
  for (std::size_t i = 0; i < quotas_.size(); ++i) {
    const std::uint64_t quota = quotas_[i].load(std::memory_order_relaxed);
    const auto tenant = static_cast<tenant_id>(i);
    if (quota != 0 && tenant_bytes(tenant) > quota) trim_tenant(tenant, quota);
  }
}

/// Forgets a namespace's oldest extents until it holds `target_bytes`. Their room comes back with their segments.
void shelf::trim_tenant(tenant_id tenant, std::uint64_t target_bytes) {
  std::vector<std::shared_ptr<segment>> by_age;
  {
    const std::lock_guard guard(segments_mutex_);
    std::copy_if(segments_.begin(), segments_.end(), std::back_inserter(by_age),
                 [](const auto& each) { return each != nullptr; });
  }
  std::sort(by_age.begin(), by_age.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
  for (const auto& each : by_age) {
    if (each->number < trimmed_to_[tenant]) continue; // nothing of it was left there
    auto rows = rows_of(*each);
    if (!rows) continue;
    for (const footer_row& row : *rows) {
      if (row.kind != entry_kind::extent || row.tenant != tenant) continue;
      const place at = place_of(row, each->slot);
      const auto current = index_.at(row.kind, row.key, row.offset, at);
      if (!current || current->kept) continue;
      hand_down(*each, row, *current);
      if (!index_.remove(row.kind, row.key, row.offset, at)) continue;
      add_live(each->slot, *current, false);
      if (tenant_bytes(tenant) <= target_bytes) return;
    }
    trimmed_to_[tenant] = each->number;
  }
}

} // namespace forebay::storage::disk
