// One directory of the disk tier: a log of segments, the index of what lies in it, and what is waiting to be written.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/slice.h"
#include "storage/disk/kept_versions.h"
#include "storage/disk/segment.h"
#include "storage/eviction_sink.h"
#include "storage/ghost_table.h"
#include "storage/tier.h"

namespace forebay::storage::disk {

struct shelf_settings {
  std::uint64_t size_bytes = 50ull << 30;
  std::uint64_t segment_bytes = 64ull << 20; ///< lowered to 1/64 of the size
  unsigned small_percent = 5;                ///< S3-FIFO's small queue, of the segments
  std::uint64_t queue_bytes = 64ull << 20;   ///< waiting to be written; what comes on top is dropped
  std::size_t batch_bytes = 4u << 20;        ///< one sequential write
  /// As long as more comes within this, what waits is let be, so long at most: whoever writes takes the processor from
  /// those who read, but what came a second before a kill shall be there after it. 0: a full batch is written at once.
  std::chrono::milliseconds burst_pause{20}, burst_limit{500};
  /// So much of the queue, and a quarter at least, stays free for what comes while it is written.
  std::uint64_t burst_room_bytes = 64ull << 20;
  std::uint64_t noted_every_bytes = 4u << 20; ///< of a segment: what a start looks through at most, in each stream
  /// Written until the index is kept as a file again; more when the index is large. 0: never.
  std::uint64_t index_every_bytes = 256u << 20;
  std::uint64_t index_bytes = 512ull << 20; ///< memory of the index; beyond it the oldest segment goes
  unsigned kept_percent = 50;               ///< of the size, that kept prefixes may hold on to
  unsigned errors_limit = 16;               ///< I/O errors or damaged blocks until the directory is given up
  std::size_t open_files = 1024;            ///< segments whose file stays open
  unsigned recovery_threads = 16;           ///< that read footers at the start; 0: the one that opens, in order
  const clock* time = &system_clock();      ///< what waits is written by it; outlives the shelf
};

/// Numbers since the start. Relaxed.
struct shelf_counts {
  std::atomic<std::uint64_t> stored_bytes{0};   ///< payload accepted and written
  std::atomic<std::uint64_t> written_bytes{0};  ///< to the disk, all told (write amplification is the ratio)
  std::atomic<std::uint64_t> survived_bytes{0}; ///< written again by eviction
  std::atomic<std::uint64_t> read_bytes{0};     ///< from the disk
  std::atomic<std::uint64_t> dropped_writes{0}; ///< queue full, tier off, over quota
  std::atomic<std::uint64_t> evicted_segments{0};
  std::atomic<std::uint64_t> evicted_bytes{0};
  std::atomic<std::uint64_t> damaged_blocks{0};
  std::atomic<std::uint64_t> torn_blocks{0}; ///< of a segment that a crash left open: no sign of a bad disk
  std::atomic<std::uint64_t> read_errors{0}, write_errors{0};
};

/// Numbers of the whole store: entries of all its directories are ordered by them.
using sequence_source = std::atomic<std::uint64_t>;

/// Stands for a list of directories, in whatever order.
std::uint64_t members_fingerprint(std::vector<key128> directories);

/// What purges cover: everything of a key with a lower sequence number than the purge's.
struct purged_keys {
  std::unordered_map<object_key, std::uint64_t, key128_hash> objects;
  std::unordered_map<version_key, std::uint64_t, key128_hash> versions;
  std::uint64_t before = 0; ///< all records
  /// Of a record that was found at the start: another directory has had its object since it was written, and may have
  /// seen later versions.
  std::function<bool(const key128& object, std::uint64_t sequence)> misplaced;
  /// Who the directories of the store are now (`members_fingerprint`), and the sequence number of the latest list that
  /// named others: an index that was kept before that knows nothing of what is misplaced since.
  std::uint64_t members = 0, other_members_at = 0;
};

enum class shelf_state { serving, read_only, off };
std::string_view to_string(shelf_state state) noexcept;

/// Thread-safe, but for `write_batch`, which one thread calls. Everything that touches the disk blocks.
class shelf {
public:
  using state = shelf_state;

  /// Reads what is there. invalid_input, unsupported (newer, other byte order), forbidden, exhausted (in use), broken.
  /// `kept` outlives the shelf.
  static result<std::unique_ptr<shelf>> open(std::unique_ptr<volume> in, shelf_settings settings,
                                             sequence_source& sequence, purged_keys purged, kept_versions& kept);
  ~shelf();

  // Of the index alone.
  std::optional<byte_range> find(const version_key& version, byte_range within) const;
  bool has_record(const object_key& object) const { return index_.record(object).has_value(); }

  // Waiting to be written: false when dropped.
  bool offer(const version_key& version, std::uint64_t offset, std::vector<net::slice> bytes, tenant_id tenant);
  bool offer_record(const object_key& object, const version_key& version, std::string encoded, bool kept);
  /// Writes what waits, a batch at most; false when nothing did.
  bool write_batch();
  /// Called (any thread) when so much waits that it should be written now. To be set before the first `offer`.
  void set_full_hook(std::function<void()> wake) { batch_is_full_ = std::move(wake); }
  /// Makes the oldest full segment durable and gives it its footer, or an index that was written; false when neither
  /// waits. Any thread.
  bool close_next();
  /// Called (the writer's thread) when a segment is full: another thread shall call `close_next`. Without it the writer
  /// closes its segments itself. To be set before the first `offer`.
  void set_close_hook(std::function<void()> wake) { segment_is_full_ = std::move(wake); }
  /// Called (any thread) with the object of a record that was not kept: what older ones of it there are must not come
  /// back. To be set before the first `offer`.
  void set_lost_hook(std::function<void(const object_key&)> lost) { record_is_lost_ = std::move(lost); }
  /// Called (any thread) when the directory is given up. To be set before the first `offer`.
  void set_off_hook(std::function<void()> off) { is_off_ = std::move(off); }
  /// Who takes the extents that eviction and quotas let go; null: nobody. It outlives the shelf.
  void set_sink(eviction_sink* sink) { sink_.store(sink, std::memory_order_release); }
  /// True when `write_batch` has enough to do, or something has waited since before `since`, and no burst is to be let
  /// through first.
  bool worth_writing(steady_time since) const;
  /// Writes everything and closes the log. For an orderly end.
  void finish();

  /// A run of verified bytes.
  struct run {
    sector_span stored;
    byte_range range; ///< verified, of the object; begins with a block
    tenant_id tenant = 0;
    /// Copies the object's bytes from `at` on; within `range`.
    void copy(std::uint64_t at, std::span<std::byte> into) const noexcept {
      copy_payload(stored.bytes(), static_cast<std::size_t>(at - range.begin), into);
    }
  };
  /// Reads and verifies from `wanted.begin` on, at most to `wanted.end` (grown to whole blocks) and the extent's end.
  /// not_found when it is gone or damaged (then it is forgotten), broken for an I/O error.
  result<run> read(const version_key& version, byte_range wanted);
  struct found_record {
    std::string encoded;
    std::uint64_t sequence = 0;
    std::uint64_t version_prefix = 0; ///< of the version that it leads to
    bool kept = false;
  };
  result<found_record> read_record(const object_key& object);

  /// What came under this key was wrong, for ever (`forget_version`, also of an earlier run).
  bool version_forgotten(const version_key& version) const;

  // Purges: at once in memory; durable by the store, which writes them to the control logs.
  void forget_object(const object_key& object, std::uint64_t sequence);
  void forget_version(const version_key& version, std::uint64_t sequence);

  /// Other directories belong to the store from now on. Told before the list of them gets its sequence number.
  void set_members(std::uint64_t fingerprint) { members_.store(fingerprint); }
  /// The directory is used no more in this run.
  void give_up(const std::string& why) { turn_off(why); }
  /// Lowest sequence number that an entry here may have: older purges have nothing left to cover.
  std::uint64_t oldest_sequence() const;
  void set_quota(tenant_id tenant, std::uint64_t bytes); ///< 0: none
  std::uint64_t quota(tenant_id tenant) const noexcept;

  struct usage {
    state now;
    std::uint64_t capacity_bytes, segment_bytes, segments, live_bytes, entries, index_bytes, queued_bytes;
    bool index_was_kept; ///< the start found the index as a file
  };
  usage usage_now() const;
  const shelf_counts& counts() const noexcept { return counts_; }
  volume& in() noexcept { return *volume_; }
  const key128& identity() const noexcept { return identity_; }
  state state_now() const noexcept { return state_.load(std::memory_order_acquire); }
  std::uint64_t tenant_bytes(tenant_id tenant) const noexcept;

private:
  friend class shelf_recovery;
  struct waiting {
    entry_head head;
    std::vector<net::slice> bytes;
    std::string text; ///< of a record
    steady_time since{};
  };

  shelf(std::unique_ptr<volume> in, shelf_settings settings, sequence_source& sequence, purged_keys purged,
        kept_versions& kept);

  // writing.cc
  void write_one(waiting& item);
  void write_extent(waiting& item);
  void write_piece(const waiting& item, std::uint64_t from, std::uint64_t length);
  bool admitted(const entry_head& head, std::uint64_t bytes);
  bool room_to_keep(std::uint64_t bytes) const noexcept;
  stream_kind stream_of(const entry_head& head);
  open_segment* stream_for(stream_kind stream, std::uint64_t payload);
  result<void> roll(stream_kind stream);
  void close_later(std::unique_ptr<open_segment> full);
  result<std::unique_ptr<open_segment>> make_segment(stream_kind stream);
  void flush(stream_kind stream);
  void settle(const open_segment::pending& done, segment& in);
  void settle_survivor(const open_segment::pending& done, const place& to);
  void write_failed(stream_kind stream, const error& why);
  void count_write_error(const error& why);

  // index_keeping.cc
  struct unsealed_index { ///< whole, but for its head
    std::string name;
    std::shared_ptr<file> into;
    index_head head;
  };
  bool index_is_due() const;
  void keep_index();
  result<unsealed_index> write_index(const std::string& name);
  result<std::vector<index_segment>> index_table();
  bool seal_index();

  // eviction.cc
  struct survivor {
    footer_row row;
    place at;
    bool kept = false;
  };
  void make_room();
  std::shared_ptr<segment> victim() const;
  void evict(const std::shared_ptr<segment>& chosen, bool carrying);
  std::vector<survivor> survivors_of(const segment& chosen, const std::vector<footer_row>& rows);
  bool deserves(const segment& chosen, const survivor& each) const;
  static std::uint8_t flags_of(const survivor& each) noexcept;
  void carry_over(segment& chosen, std::vector<survivor> kept);
  bool read_payload(segment& in, const survivor& each, std::vector<std::byte>& into);
  void hand_down(segment& from, const footer_row& row, const place& at);
  void drop_segment(const std::shared_ptr<segment>& gone, const std::vector<footer_row>& rows);
  void enforce_quotas();
  void trim_tenant(tenant_id tenant, std::uint64_t target_bytes);

  // shelf.cc
  std::uint64_t urgent_bytes() const noexcept;
  std::uint64_t longest_payload() const noexcept { return payload_max(settings_.segment_bytes); }
  result<std::shared_ptr<file>> file_of(segment& of);
  std::shared_ptr<segment> segment_at(std::uint32_t slot) const;
  result<sector_span> read_stored(segment& of, std::uint64_t begin, std::uint64_t end);
  result<std::vector<footer_row>> rows_of(segment& of);
  std::shared_ptr<segment> add_segment(std::uint64_t number, stream_kind stream);
  bool enqueue(waiting item, std::uint64_t length);
  void lose(const entry_head& head);
  void add_live(std::uint32_t slot, const place& of, bool added);
  void add_live(segment& in, const place& of, bool added);
  void count_use(const version_key& version, const place& of, std::size_t bytes);
  void damaged(const version_key& version, const place& at, std::size_t block, segment& in);
  void count_damage(segment& in, const char* what);
  void read_failed(segment& in, const error& why);
  void count_error(std::atomic<std::uint64_t>& which, const error& why);
  void turn_off(const std::string& why);
  bool purged(const footer_row& row) const;

  const std::unique_ptr<volume> volume_;
  shelf_settings settings_;
  sequence_source& sequence_;
  key128 identity_;
  std::atomic<state> state_{state::serving};
  shelf_counts counts_;
  segment_index index_;
  kept_versions& kept_;

  mutable std::mutex segments_mutex_; ///< guards the table; held for a look
  std::vector<std::shared_ptr<segment>> segments_;
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t last_number_ = 0;
  std::uint32_t turn_ = 0;           ///< of this run (entry_head)
  std::uint64_t segments_limit_ = 0; ///< what the disk has room for
  std::atomic<std::size_t> open_files_{0};
  std::atomic<unsigned> errors_{0};

  std::function<void()> batch_is_full_;
  std::function<void(const object_key&)> record_is_lost_;
  std::function<void()> is_off_;
  std::atomic<eviction_sink*> sink_{nullptr};
  mutable std::mutex queue_mutex_;
  std::deque<waiting> queue_;
  std::uint64_t queued_bytes_ = 0;
  steady_time offered_at_{}; ///< the latest

  mutable std::mutex purged_mutex_; ///< held while an entry that a purge may cover enters the index
  purged_keys purged_;
  std::atomic<bool> any_version_purged_{false};

  // A sync can take seconds: what waits to be written does not wait for it.
  std::function<void()> segment_is_full_;
  std::mutex closing_mutex_;
  std::deque<std::unique_ptr<open_segment>> closing_; ///< full, without a footer; the oldest first
  std::mutex close_mutex_;                            ///< held while the first of them is closed
  std::optional<unsealed_index> index_to_seal_;       ///< both: `closing_mutex_`
  std::string index_name_;                            ///< of the file that counts
  std::atomic<std::uint64_t> members_{0};

  // The writer's own.
  std::array<std::unique_ptr<open_segment>, 2> streams_;
  ghost_table ghosts_;
  bool evicting_ = false;
  std::uint64_t highest_written_ = 0; ///< sequence number of an entry
  std::uint64_t index_kept_at_ = 0;   ///< of `written_bytes`
  bool index_was_kept_ = false;       ///< at the start

  /// A ghost stands for this much of an object: extents of different reads fall on the same ones.
  static constexpr std::uint64_t ghost_bytes = 1u << 20;
  static std::uint64_t ghost_of(const key128& key, std::uint64_t offset) noexcept {
    return ghost_fingerprint(key.prefix(), offset / ghost_bytes);
  }
  /// Records may wait beyond `queue_bytes`, by this share of it: they are small, and one that is lost costs a purge.
  static constexpr std::uint64_t record_room_share = 4;
  /// Full segments that may wait for their footer: a kill makes the next start scan them. Beyond, the writer waits.
  static constexpr std::size_t closing_limit = 4;
  static constexpr std::uint64_t segments_least = 8; ///< both streams, both spares, and something to evict

  template <class T>
  using per_tenant = std::array<T, segment_index::tenant_max + 1>;
  per_tenant<std::atomic<std::uint64_t>> quotas_{}, tenant_bytes_{};
  std::atomic<bool> quotas_changed_{false}; ///< since the writer last looked
  per_tenant<std::uint64_t> trimmed_to_{};  ///< the writer's: segments before it hold nothing to trim
  std::atomic<std::uint64_t> kept_bytes_{0}, uses_turn_{0};
};

} // namespace forebay::storage::disk
