#include "storage/extent_index.h"

#include <algorithm>
#include <bit>

namespace forebay::storage {
namespace {

/// A bucket for each so many bytes of capacity: chains of one while blocks average 16 KiB or more, of four when every
/// object is a single grain.
constexpr std::uint64_t bytes_per_bucket = 16u << 10;

static_assert(extent_index::shard_count == 64, "shard_of takes the top six bits");

} // namespace

std::size_t extent_index::bucket_count_for(std::uint64_t capacity_bytes) noexcept {
  return std::bit_floor(std::max<std::uint64_t>(capacity_bytes / bytes_per_bucket / shard_count, 1));
}

version_record* extent_index::find(const version_key& version) const noexcept {
  version_record* record = bucket_of(shard_of(version), version);
  while (record != nullptr && record->key != version) record = record->after;
  return record;
}

held_block* extent_index::covering(const version_key& version, std::uint64_t at) const noexcept {
  const version_record* record = find(version);
  if (record == nullptr) return nullptr;
  auto behind = record->blocks.upper_bound(at);
  if (behind == record->blocks.begin()) return nullptr;
  const held_block& candidate = *--behind;
  return at - candidate.offset() < candidate.capacity_bytes() ? const_cast<held_block*>(&candidate) : nullptr;
}

std::uint64_t extent_index::gap_at(const version_key& version, std::uint64_t at) const noexcept {
  const version_record* record = find(version);
  if (record == nullptr) return UINT64_MAX;
  if (covering(version, at) != nullptr) return 0;
  const auto behind = record->blocks.lower_bound(at);
  return behind == record->blocks.end() ? UINT64_MAX : behind->offset() - at;
}

std::optional<byte_range> extent_index::first_ready_run(const version_key& version, byte_range within) const noexcept {
  const version_record* record = find(version);
  if (record == nullptr || within.empty()) return {};
  auto next = record->blocks.upper_bound(within.begin);
  if (next != record->blocks.begin()) --next; // it may reach into `within`
  byte_range run{};
  for (; next != record->blocks.end(); ++next) {
    const byte_range ready = intersect({next->offset(), next->offset() + next->ready_bytes()}, within);
    if (!run.empty() && next->offset() != run.end) break;
    if (next->offset() >= within.end) break;
    if (ready.empty()) {
      if (!run.empty()) break;
      continue;
    }
    run = {run.empty() ? ready.begin : run.begin, ready.end};
  }
  if (run.empty()) return {};
  return run;
}

std::uint64_t extent_index::ready_bytes(const version_key& version) const noexcept {
  const version_record* record = find(version);
  std::uint64_t sum = 0;
  if (record != nullptr)
    for (const held_block& each : record->blocks) sum += each.ready_bytes();
  return sum;
}

std::uint64_t extent_index::growth_bytes(const version_key& version) const noexcept {
  return find(version) == nullptr ? records_.growth_bytes() : 0;
}

void extent_index::insert(held_block& added) {
  version_record* record = find(added.version());
  if (record == nullptr) {
    record = records_.take();
    record->key = added.version();
    record->after = std::exchange(bucket_of(shard_of(record->key), record->key), record);
  }
  record->blocks.insert(added);
}

void extent_index::remove(held_block& gone) noexcept {
  version_record* record = find(gone.version());
  record->blocks.erase(record->blocks.iterator_to(gone));
  if (record->blocks.empty()) forget(*record);
}

void extent_index::forget(version_record& record) noexcept {
  version_record** link = &bucket_of(shard_of(record.key), record.key);
  while (*link != &record) link = &(*link)->after;
  *link = record.after;
  records_.give(record);
}

void extent_index::rehash(std::size_t buckets_per_shard) {
  buckets_per_shard_ = buckets_per_shard;
  for (shard& each : shards_) {
    std::vector<version_record*> fitted(buckets_per_shard);
    const std::lock_guard guard(each.lock);
    std::swap(each.buckets, fitted);
    for (version_record* record : fitted) {
      while (record != nullptr) {
        version_record*& bucket = bucket_of(each, record->key);
        version_record* next = std::exchange(record->after, bucket);
        bucket = record;
        record = next;
      }
    }
  }
}

std::uint64_t extent_index::memory_bytes() const noexcept {
  return bucket_bytes(buckets_per_shard_) + records_.memory_bytes();
}

} // namespace forebay::storage
