#include "storage/disk/segment_index.h"

#include <algorithm>
#include <bit>

namespace forebay::storage::disk {

/// What an entry is found by: kind, 64 bits of the key, the group of 16 MiB.
struct segment_index::spot {
  entry_kind kind;
  std::uint64_t key;
  std::uint32_t group;
  std::uint64_t hash;
};

namespace {

/// Entries per bucket before the table grows: chains stay short, and buckets cost two to four bytes an entry.
constexpr std::size_t entries_per_bucket = 2;
/// How many are walked under a lock at once: readers wait for some microseconds.
constexpr std::size_t buckets_at_once = 256;

std::uint64_t mix(std::uint64_t key, std::uint32_t group, unsigned kind) noexcept {
  std::uint64_t mixed = key ^ ((std::uint64_t{group} << 2 | kind) * 0x9E3779B97F4A7C15ull); // the golden ratio
  mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93ull; // an odd multiplier of a published 64-bit mixer
  return mixed ^ (mixed >> 32);
}

} // namespace

segment_index::segment_index() = default;

segment_index::spot segment_index::spot_of(entry_kind kind, const key128& key, std::uint64_t offset) noexcept {
  const auto group = static_cast<std::uint32_t>(offset / group_bytes);
  return {kind, key.prefix(), group, mix(key.prefix(), group, static_cast<unsigned>(kind))};
}

std::uint64_t segment_index::hash_of(const packed& of) noexcept {
  return mix(std::uint64_t{of.key_high} << 32 | of.key_low, of.group, of.kind);
}

place segment_index::unpack(const packed& from) noexcept {
  place told;
  told.kind = static_cast<entry_kind>(from.kind);
  told.slot = from.slot;
  told.position = (std::uint64_t{from.position_high} << 20 | from.position_low) * entry_align_bytes;
  told.offset = from.group * group_bytes + std::uint64_t{from.grain} * grain_bytes;
  told.payload_bytes = from.payload;
  told.uses = from.uses;
  told.kept = from.kept != 0;
  told.tenant = static_cast<std::uint16_t>(from.tenant_high << 7 | from.tenant_low);
  return told;
}

segment_index::packed segment_index::pack(const spot& key, const place& from) noexcept {
  const std::uint64_t units = from.position / entry_align_bytes;
  packed made{};
  made.next = none;
  made.key_low = static_cast<std::uint32_t>(key.key);
  made.key_high = static_cast<std::uint32_t>(key.key >> 32);
  made.slot = from.slot;
  made.group = key.group & 0xFFFFFF;
  made.kind = static_cast<unsigned>(key.kind) & 3;
  made.uses = std::min(from.uses, uses_max) & 3;
  made.kept = from.kept ? 1 : 0;
  made.grain = static_cast<std::uint32_t>(from.offset % group_bytes / grain_bytes) & 0xFFF;
  made.position_low = units & 0xFFFFF;
  made.payload = from.payload_bytes & 0x7FFFFF;
  made.position_high = static_cast<std::uint32_t>(units >> 20) & 3;
  const unsigned tenant = std::min(from.tenant, tenant_max);
  made.tenant_low = tenant & 0x7F;
  made.tenant_high = (tenant >> 7) & 7;
  return made;
}

std::uint32_t segment_index::shard::take() {
  if (free != none) {
    const std::uint32_t index = free;
    free = entry(index).next;
    return index;
  }
  if (used == chunks.size() * chunk_entries) chunks.push_back(std::make_unique_for_overwrite<packed[]>(chunk_entries));
  return used++;
}

void segment_index::shard::rehash(std::size_t wanted) {
  std::vector<std::uint32_t> wider(wanted, none);
  for (const std::uint32_t first : buckets) {
    for (std::uint32_t index = first; index != none;) {
      packed& each = entry(index);
      const std::uint32_t after = each.next;
      std::uint32_t& bucket = wider[hash_of(each) & (wider.size() - 1)];
      each.next = bucket;
      bucket = index;
      index = after;
    }
  }
  buckets.swap(wider);
}

/// The link (bucket or `next`) that leads to the first entry of `key` for which `matches`; null when there is none.
template <class F>
std::uint32_t* segment_index::find(shard& in, const spot& key, F matches) noexcept {
  std::uint32_t* link = &in.buckets[key.hash & (in.buckets.size() - 1)];
  for (; *link != none; link = &in.entry(*link).next) {
    const packed& each = in.entry(*link);
    const bool same = each.key_low == static_cast<std::uint32_t>(key.key) &&
                      each.key_high == static_cast<std::uint32_t>(key.key >> 32) && each.group == key.group &&
                      each.kind == static_cast<unsigned>(key.kind);
    if (same && matches(unpack(each))) return link;
  }
  return nullptr;
}

void segment_index::add(shard& in, const spot& key, const place& from) {
  if (in.count >= in.buckets.size() * entries_per_bucket) in.rehash(in.buckets.size() * 2);
  const std::uint32_t index = in.take();
  std::uint32_t& bucket = in.buckets[key.hash & (in.buckets.size() - 1)];
  packed made = pack(key, from);
  made.next = bucket;
  in.entry(index) = made;
  bucket = index;
  ++in.count;
}

void segment_index::drop(shard& in, std::uint32_t* link) noexcept {
  const std::uint32_t index = *link;
  packed& gone = in.entry(index);
  *link = gone.next;
  gone.next = in.free;
  in.free = index;
  --in.count;
}

template <class F>
std::optional<place> segment_index::look(const spot& key, F matches) const {
  shard& in = shard_of(key.hash);
  const std::lock_guard guard(in.lock);
  const std::uint32_t* link = find(in, key, matches);
  if (link == nullptr) return std::nullopt;
  return unpack(in.entry(*link));
}

std::optional<place> segment_index::covering(const version_key& version, std::uint64_t at) const {
  if (at >= object_bytes_max) return std::nullopt;
  return look(spot_of(entry_kind::extent, version, at), [at](const place& each) { return each.range().contains(at); });
}

std::optional<byte_range> segment_index::first_run(const version_key& version, byte_range within) const {
  if (within.begin >= object_bytes_max) return std::nullopt;
  within.end = std::min({within.end, object_bytes_max, within.begin + look_ahead_bytes});
  std::vector<byte_range> held;
  while (!within.empty()) {
    const spot key = spot_of(entry_kind::extent, version, within.begin);
    held.clear();
    {
      shard& in = shard_of(key.hash);
      const std::lock_guard guard(in.lock);
      find(in, key, [&](const place& each) {
        if (each.range().overlaps(within)) held.push_back(each.range());
        return false; // on to the next
      });
    }
    if (!held.empty()) {
      std::sort(held.begin(), held.end(), [](byte_range a, byte_range b) { return a.begin < b.begin; });
      byte_range run = held.front();
      for (const byte_range each : held) {
        if (each.begin == run.end) run.end = each.end;
      }
      return intersect(run, within);
    }
    within.begin = (std::uint64_t{key.group} + 1) * group_bytes;
  }
  return std::nullopt;
}

bool segment_index::insert(const version_key& version, const place& at) {
  const spot key = spot_of(entry_kind::extent, version, at.offset);
  shard& in = shard_of(key.hash);
  const std::lock_guard guard(in.lock);
  return insert_into(in, key, at);
}

bool segment_index::insert_into(shard& in, const spot& key, const place& from) {
  if (find(in, key, [&](const place& each) { return each.range().overlaps(from.range()); }) != nullptr) return false;
  add(in, key, from);
  return true;
}

/// A bucket, its first entry and the one behind that lie anywhere in a large table, and an insert would wait for one
/// after the other: so they are asked for while earlier ones are inserted. Shard by shard: a version's group lies in
/// one, in which the order stays.
void segment_index::insert_all(std::span<incoming> all) {
  struct step {
    spot key;
    incoming* each;
  };
  std::array<std::vector<step>, std::tuple_size_v<decltype(shards_)>> steps;
  for (auto& list : steps) list.reserve(all.size() / steps.size() * 2);
  for (incoming& each : all) {
    const spot key = spot_of(each.at.kind, each.key, each.at.offset);
    steps[static_cast<std::size_t>(&shard_of(key.hash) - shards_.data())].push_back({key, &each});
  }
  constexpr std::size_t bucket_ahead = 24, first_ahead = 16, second_ahead = 8;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    shard& in = shards_[i];
    const auto& list = steps[i];
    const std::lock_guard guard(in.lock);
    const auto bucket = [&](std::size_t at) -> const std::uint32_t& {
      return in.buckets[list[at].key.hash & (in.buckets.size() - 1)];
    };
    for (std::size_t at = 0; at < list.size(); ++at) {
      if (at + bucket_ahead < list.size()) __builtin_prefetch(&bucket(at + bucket_ahead));
      if (at + first_ahead < list.size()) {
        const std::uint32_t first = bucket(at + first_ahead);
        if (first != none) __builtin_prefetch(&in.entry(first));
      }
      if (at + second_ahead < list.size()) {
        const std::uint32_t first = bucket(at + second_ahead);
        const std::uint32_t second = first == none ? none : in.entry(first).next;
        if (second != none) __builtin_prefetch(&in.entry(second));
      }
      list[at].each->inserted = insert_into(in, list[at].key, list[at].each->at);
    }
  }
}

void segment_index::reserve(std::uint64_t entries) {
  const std::size_t wanted = std::bit_ceil(entries / shards_.size() / entries_per_bucket + 1);
  for (shard& in : shards_) {
    const std::lock_guard guard(in.lock);
    if (in.buckets.size() < wanted) in.rehash(wanted);
  }
}

std::optional<place> segment_index::record(const object_key& object) const {
  return look(spot_of(entry_kind::record, object, 0), [](const place&) { return true; });
}

std::optional<place> segment_index::put_record(const object_key& object, const place& at) {
  const spot key = spot_of(entry_kind::record, object, 0);
  shard& in = shard_of(key.hash);
  const std::lock_guard guard(in.lock);
  std::uint32_t* const link = find(in, key, [](const place&) { return true; });
  if (link == nullptr) {
    add(in, key, at);
    return std::nullopt;
  }
  packed& old = in.entry(*link);
  const place replaced = unpack(old);
  const std::uint32_t next = old.next;
  old = pack(key, at);
  old.next = next;
  return replaced;
}

std::optional<place> segment_index::erase_record(const object_key& object) {
  const spot key = spot_of(entry_kind::record, object, 0);
  shard& in = shard_of(key.hash);
  const std::lock_guard guard(in.lock);
  std::uint32_t* const link = find(in, key, [](const place&) { return true; });
  if (link == nullptr) return std::nullopt;
  const place gone = unpack(in.entry(*link));
  drop(in, link);
  return gone;
}

void segment_index::touch(const version_key& version, std::uint64_t at) {
  const spot key = spot_of(entry_kind::extent, version, at);
  shard& in = shard_of(key.hash);
  const std::lock_guard guard(in.lock);
  const std::uint32_t* link = find(in, key, [at](const place& each) { return each.range().contains(at); });
  if (link == nullptr) return;
  packed& touched = in.entry(*link);
  touched.uses = std::min(touched.uses + 1u, uses_max) & 3;
}

void segment_index::touch_record(const object_key& object) {
  const spot key = spot_of(entry_kind::record, object, 0);
  shard& in = shard_of(key.hash);
  const std::lock_guard guard(in.lock);
  const std::uint32_t* link = find(in, key, [](const place&) { return true; });
  if (link == nullptr) return;
  packed& touched = in.entry(*link);
  touched.uses = std::min(touched.uses + 1u, uses_max) & 3;
}

std::optional<place> segment_index::at(entry_kind kind, const key128& key, std::uint64_t offset,
                                       const place& where) const {
  return look(spot_of(kind, key, offset), [&](const place& each) { return each.same_entry(where); });
}

bool segment_index::remove(entry_kind kind, const key128& key, std::uint64_t offset, const place& where) {
  const spot wanted = spot_of(kind, key, offset);
  shard& in = shard_of(wanted.hash);
  const std::lock_guard guard(in.lock);
  std::uint32_t* const link = find(in, wanted, [&](const place& each) { return each.same_entry(where); });
  if (link == nullptr) return false;
  drop(in, link);
  return true;
}

bool segment_index::move(entry_kind kind, const key128& key, std::uint64_t offset, const place& from, const place& to) {
  const spot wanted = spot_of(kind, key, offset);
  shard& in = shard_of(wanted.hash);
  const std::lock_guard guard(in.lock);
  const std::uint32_t* link = find(in, wanted, [&](const place& each) { return each.same_entry(from); });
  if (link == nullptr) return false;
  packed& moved = in.entry(*link);
  const std::uint32_t next = moved.next;
  moved = pack(wanted, to);
  moved.next = next;
  return true;
}

std::vector<place> segment_index::remove_slot(std::uint32_t slot) {
  std::vector<place> gone;
  for (shard& in : shards_) {
    const std::lock_guard guard(in.lock);
    for (std::uint32_t& bucket : in.buckets) {
      for (std::uint32_t* link = &bucket; *link != none;) {
        if (in.entry(*link).slot == slot) {
          gone.push_back(unpack(in.entry(*link)));
          drop(in, link);
        } else {
          link = &in.entry(*link).next;
        }
      }
    }
  }
  return gone;
}

bool segment_index::each_entry(const std::function<bool(std::span<const stored_entry>)>& take) const {
  std::vector<stored_entry> group;
  for (const shard& in : shards_) {
    std::size_t buckets = 0;
    for (std::size_t bucket = 0; bucket == 0 || bucket < buckets;) {
      group.clear();
      {
        const std::lock_guard guard(in.lock);
        if (bucket == 0) buckets = in.buckets.size();
        if (in.buckets.size() != buckets) return false;
        for (const std::size_t end = std::min(bucket + buckets_at_once, buckets); bucket < end; ++bucket) {
          for (std::uint32_t index = in.buckets[bucket]; index != none; index = in.entry(index).next) {
            group.push_back(store(in.entry(index)));
          }
        }
      }
      if (!take(group)) return false;
    }
  }
  return true;
}

/// All but `next`, which comes first.
segment_index::stored_entry segment_index::store(const packed& from) noexcept {
  static_assert(sizeof(packed) == sizeof(std::uint32_t) + sizeof(stored_entry));
  std::array<std::uint32_t, 7> words;
  std::memcpy(&words, &from, sizeof words);
  stored_entry made;
  std::copy(words.begin() + 1, words.end(), made.words.begin());
  return made;
}

segment_index::packed segment_index::load(const stored_entry& from) noexcept {
  std::array<std::uint32_t, 7> words{none};
  std::copy(from.words.begin(), from.words.end(), words.begin() + 1);
  packed made;
  std::memcpy(&made, &words, sizeof made);
  return made;
}

namespace {

bool can_be(const place& at, std::uint64_t segment_bytes) noexcept {
  return at.payload_bytes > 0 && at.position >= sector_bytes &&
         at.position + stored_bytes(at.payload_bytes) <= segment_bytes &&
         (at.kind == entry_kind::extent || at.kind == entry_kind::record) &&
         at.offset % segment_index::group_bytes + at.payload_bytes <= segment_index::group_bytes;
}

} // namespace

void segment_index::adopt(std::span<const stored_entry> all, adoption& as) {
  std::unique_lock<std::mutex> held;
  for (const stored_entry& each : all) {
    packed made = load(each);
    const place at = unpack(made);
    if (at.slot >= as.slots.size() || !as.slots[at.slot].now || !can_be(at, as.segment_bytes)) continue;
    adoption::slot& slot = as.slots[at.slot];
    slot.live_bytes += at.payload_bytes;
    if (at.kind == entry_kind::extent) as.tenant_bytes[at.tenant] += at.payload_bytes;
    if (at.kind == entry_kind::extent && at.kept) as.kept_bytes += at.payload_bytes;
    made.slot = *slot.now;
    const std::uint64_t hash = hash_of(made);
    shard& in = shard_of(hash);
    if (held.mutex() != &in.lock) { // the order is the other index's: a shard's entries follow each other
      held = {};
      held = std::unique_lock(in.lock);
    }
    if (in.count >= in.buckets.size() * entries_per_bucket) in.rehash(in.buckets.size() * 2);
    std::uint32_t& bucket = in.buckets[hash & (in.buckets.size() - 1)];
    made.next = bucket;
    bucket = in.take();
    in.entry(bucket) = made;
    ++in.count;
  }
}

void segment_index::clear() {
  for (shard& in : shards_) {
    const std::lock_guard guard(in.lock);
    std::fill(in.buckets.begin(), in.buckets.end(), none);
    in.used = in.count = 0;
    in.free = none;
  }
}

std::uint64_t segment_index::entries() const noexcept {
  std::uint64_t count = 0;
  for (const shard& in : shards_) {
    const std::lock_guard guard(in.lock);
    count += in.count;
  }
  return count;
}

std::uint64_t segment_index::memory_bytes() const noexcept {
  std::uint64_t bytes = sizeof *this;
  for (const shard& in : shards_) {
    const std::lock_guard guard(in.lock);
    bytes += in.chunks.size() * (chunk_entries * sizeof(packed) + sizeof(in.chunks[0])) +
             in.buckets.size() * sizeof(std::uint32_t);
  }
  return bytes;
}

} // namespace forebay::storage::disk
