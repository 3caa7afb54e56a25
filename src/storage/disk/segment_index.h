// Where on disk which extent and which record lies: 28 bytes an entry and a share of a bucket, all told below 32.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/byte_range.h"
#include "storage/disk/format.h"

namespace forebay::storage::disk {

/// What the index tells of an entry.
struct place {
  entry_kind kind = entry_kind::extent;
  std::uint32_t slot = 0;          ///< of the segment, in the shelf's table
  std::uint64_t position = 0;      ///< bytes from the segment's start to the entry's head
  std::uint64_t offset = 0;        ///< within the object
  std::uint32_t payload_bytes = 0; ///< of the entry
  std::uint16_t tenant = 0;        ///< at most `tenant_max`
  unsigned uses = 0;               ///< reads since it was written or survived; saturates
  bool kept = false;
  byte_range range() const noexcept { return {offset, offset + payload_bytes}; }
  bool same_entry(const place& other) const noexcept { return slot == other.slot && position == other.position; }
};

/// Extents by version and offset, records by object. Keys are held as their first 64 bits: two keys that share them
/// (one in 10^6 stores of 10^7 entries) are told apart when the entry is read, because every block's checksum is seeded
/// with the whole key. Extents of one version never overlap and never cross a multiple of `group_bytes` of the object,
/// so that a lookup visits one chain. Thread-safe; one of 16 locks for a lookup.
class segment_index {
public:
  static constexpr std::uint64_t group_bytes = 16ull << 20;
  static constexpr std::uint64_t object_bytes_max = group_bytes << 24;  ///< 256 TiB: 24 bits of groups
  static constexpr std::uint64_t look_ahead_bytes = group_bytes * 4096; ///< 64 GiB, 4096 short lookups
  static constexpr unsigned uses_max = 3;
  static constexpr std::uint16_t tenant_max = 1023; ///< later namespaces share the last number

  segment_index();

  std::optional<place> covering(const version_key& version, std::uint64_t at) const;
  /// The first run at or after `within.begin`, clipped; it may end early at a group's end, and nothing is looked for
  /// further than `look_ahead_bytes` away.
  std::optional<byte_range> first_run(const version_key& version, byte_range within) const;
  /// False, and nothing changed, when an extent of the version overlaps it.
  bool insert(const version_key& version, const place& at);
  /// One of many to insert, and whether it went in: a record does when there is none of its object.
  struct incoming {
    key128 key;
    place at;
    bool inserted = false;
  };
  /// `insert` of each, in order, with the memory it needs asked for ahead: several times as fast when there are many.
  void insert_all(std::span<incoming> all);
  /// Makes the buckets for so many entries at once, rather than by doubling them again and again.
  void reserve(std::uint64_t entries);
  std::optional<place> record(const object_key& object) const;
  /// Gives the place of the record that this one replaced.
  std::optional<place> put_record(const object_key& object, const place& at);
  std::optional<place> erase_record(const object_key& object);

  /// One more use of the extent that covers `at`, or of the record.
  void touch(const version_key& version, std::uint64_t at);
  void touch_record(const object_key& object);
  /// The entry of this key that lies at `where`, or nothing when it is gone or elsewhere by now.
  std::optional<place> at(entry_kind kind, const key128& key, std::uint64_t offset, const place& where) const;
  /// Forgets it. False when it is gone already.
  bool remove(entry_kind kind, const key128& key, std::uint64_t offset, const place& where);
  /// It lies at `to` now. False when it is gone.
  bool move(entry_kind kind, const key128& key, std::uint64_t offset, const place& from, const place& to);
  /// Forgets everything in a slot by walking the whole index: for segments whose footer does not tell all. Gives what
  /// it forgot.
  std::vector<place> remove_slot(std::uint32_t slot);

  /// An entry as a file keeps it: a machine of the same byte order reads it.
  struct stored_entry {
    std::array<std::uint32_t, 6> words;
  };
  /// All entries, in groups; those that a lookup could meet together come in one. For the thread that inserts: what
  /// others insert meanwhile (parts of a damaged extent) is told instead of the whole, or not at all. False when `take`
  /// is not content, or entries were sorted anew meanwhile and all must be asked for again.
  bool each_entry(const std::function<bool(std::span<const stored_entry>)>& take) const;
  /// What came out of another index: where its slots lie now, and how many bytes came into them. Sums, since a start
  /// adds millions of entries.
  struct adoption {
    struct slot {
      std::optional<std::uint32_t> now; ///< without one, what lies in it is left out
      std::int64_t live_bytes = 0;
    };
    std::vector<slot> slots;
    std::uint64_t segment_bytes = 0; ///< an entry that does not fit in there is none
    std::array<std::uint64_t, tenant_max + 1> tenant_bytes{};
    std::uint64_t kept_bytes = 0;
  };
  /// Adds what another index gave, in its order; nothing that it overlaps is in here.
  void adopt(std::span<const stored_entry> all, adoption& as);
  void clear();

  std::uint64_t entries() const noexcept;
  /// What the present entries take; memory once taken is used again, not given back.
  static constexpr std::uint64_t bytes_per_entry = 32;
  std::uint64_t memory_bytes() const noexcept;

private:
  struct packed {
    std::uint32_t next;
    std::uint32_t key_low, key_high;
    std::uint32_t slot;
    std::uint32_t group : 24, kind : 2, uses : 2, kept : 1, tenant_high : 3;
    std::uint32_t grain : 12, position_low : 20;
    std::uint32_t payload : 23, position_high : 2, tenant_low : 7;
  };
  static_assert(sizeof(packed) == 28);

  static constexpr std::uint32_t none = UINT32_MAX;
  static constexpr std::size_t chunk_entries = 4096;
  struct alignas(64) shard {
    mutable std::mutex lock;
    std::vector<std::uint32_t> buckets = std::vector<std::uint32_t>(64, none);
    std::vector<std::unique_ptr<packed[]>> chunks;
    std::uint32_t used = 0, free = none, count = 0;
    packed& entry(std::uint32_t index) const noexcept { return chunks[index / chunk_entries][index % chunk_entries]; }
    std::uint32_t take();
    void rehash(std::size_t wanted);
  };
  struct spot;

  static spot spot_of(entry_kind kind, const key128& key, std::uint64_t offset) noexcept;
  static std::uint64_t hash_of(const packed& of) noexcept;
  static place unpack(const packed& from) noexcept;
  static stored_entry store(const packed& from) noexcept;
  static packed load(const stored_entry& from) noexcept;
  static packed pack(const spot& key, const place& from) noexcept;
  shard& shard_of(std::uint64_t hash) const noexcept { return shards_[hash >> 60]; }
  template <class F>
  static std::uint32_t* find(shard& in, const spot& key, F matches) noexcept;
  static void add(shard& in, const spot& key, const place& from);
  static bool insert_into(shard& in, const spot& key, const place& from);
  static void drop(shard& in, std::uint32_t* link) noexcept;
  template <class F>
  std::optional<place> look(const spot& key, F matches) const;

  mutable std::array<shard, 16> shards_;
};

} // namespace forebay::storage::disk
