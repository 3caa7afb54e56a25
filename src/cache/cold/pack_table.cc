#include "cache/cold/pack_table.h"

#include <cstring>

#include "storage/disk/segment.h"

namespace forebay::cache::cold {

using storage::disk::entry_kind;

namespace {

/// Of a version: a record whose bytes all lie further behind is not kept for them.
constexpr std::uint64_t looked_at_bytes = 256 * storage::disk::segment_index::group_bytes;

storage::version_key key_of(std::uint64_t prefix) noexcept {
  storage::version_key key{};
  std::memcpy(key.bytes.data(), &prefix, sizeof prefix);
  return key;
}

} // namespace

void pack_table::enter(const std::shared_ptr<pack>& made) {
  const std::lock_guard guard(mutex_);
  made->slot = next_slot_++;
  packs_[made->slot] = made;
  count_.store(packs_.size(), std::memory_order_release);
}

void pack_table::add(pack& to, const storage::disk::footer_row& row) {
  storage::disk::place at = storage::disk::place_of(row, to.slot);
  at.kept = false;
  if (index_.insert(storage::version_key{row.key}, at))
    to.rows_.push_back({row.key.prefix(), row.offset, row.position});
}

void pack_table::remove(pack& gone) {
  for (const auto& row : gone.rows_) {
    storage::disk::place at;
    at.slot = gone.slot;
    at.position = std::uint64_t{row.position} * storage::disk::entry_align_bytes;
    index_.remove(entry_kind::extent, key_of(row.key), row.offset, at);
  }
  const std::lock_guard guard(mutex_);
  packs_.erase(gone.slot);
  count_.store(packs_.size(), std::memory_order_release);
}

std::shared_ptr<pack> pack_table::at_slot(std::uint32_t slot) const {
  const std::lock_guard guard(mutex_);
  const auto found = packs_.find(slot);
  return found == packs_.end() ? nullptr : found->second;
}

std::optional<byte_range> pack_table::find(const storage::version_key& version, byte_range within) const {
  if (count_.load(std::memory_order_acquire) == 0) return std::nullopt;
  const auto run = index_.first_run(version, within);
  if (!run || !covering(version, run->begin)) return std::nullopt;
  return run;
}

std::optional<pack_table::found> pack_table::covering(const storage::version_key& version, std::uint64_t at) const {
  const auto entry = index_.covering(version, at);
  if (!entry) return std::nullopt;
  auto in = at_slot(entry->slot);
  if (in == nullptr || !in->readable->load(std::memory_order_acquire)) return std::nullopt;
  return found{std::move(in), *entry};
}

void pack_table::forget(const storage::version_key& version, const found& damaged) {
  index_.remove(entry_kind::extent, version, damaged.at.offset, damaged.at);
}

bool pack_table::may_hold(const storage::version_key& version) const {
  return count_.load(std::memory_order_acquire) > 0 && index_.first_run(version, {0, looked_at_bytes}).has_value();
}

} // namespace forebay::cache::cold
