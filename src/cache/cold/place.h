// The cold tier of one namespace: a prefix of an object store that this node owns.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cache/cold/pack_table.h"
#include "cache/cold/place_metrics.h"
#include "net/wait.h"
#include "origin/limiter.h"
#include "origin/source.h"

namespace forebay::cache::cold {

/// `[[namespace]] cold`, with the source made of its URL.
struct place_settings {
  std::string label;             ///< of the namespace
  storage::tenant_id tenant = 0; ///< by which the disk tier knows its bytes
  std::string url;               ///< another one at a reload is another place
  std::shared_ptr<origin::source> store;
  std::uint64_t size_bytes = 0;
  std::chrono::milliseconds lifetime{}, timeout{};
  unsigned connections = 16;
};

/// What all places of a node share. Outlives them.
struct place_context {
  pack_table& table;
  const clock& time;
  std::string node_name;
  std::vector<std::string> stores;      ///< the disk tier's directories; the packs' keys name the first
  std::function<std::uint64_t()> stamp; ///< a number that the disk tier never gave out before
  std::uint64_t queue_bytes = 0;        ///< of all places: what waits to be written, in memory
  std::uint64_t index_bytes = 0;
  std::uint64_t pack_bytes = pack_bytes_default;
  static constexpr std::uint64_t pack_bytes_default = 16ull << 20;
  std::atomic<std::uint64_t> queued_bytes{0};
};

/// Thread-safe. Its coroutines run on one loop, but for reads, which run where the reader is. Always owned by a
/// shared_ptr.
class place : public std::enable_shared_from_this<place> {
public:
  place(std::shared_ptr<place_context> context, place_settings settings);

  /// Its own store has not been asked yet; it answers; it does not answer; the prefix is another node's; the
  /// configuration names it no more.
  enum class state : std::uint8_t { starting, serving, away, refused, ended };
  state state_now() const noexcept { return state_.load(std::memory_order_acquire); }
  place_settings settings() const;
  void update(place_settings settings); ///< with the same URL
  /// Whether all that is in the store is known: before, an extent may be there that nobody finds.
  bool read_whole() const;
  /// Nothing of it is found any more, and its coroutine ends. The store keeps the packs.
  void end();

  // On the disk tier's threads.
  bool wants(std::uint64_t bytes);
  void take(const storage::version_key& version, std::uint64_t offset, std::span<const std::byte> bytes);

  /// Bytes of a pack that is still being gathered.
  std::optional<std::string> gathered(const pack& from, byte_range within) const;
  /// Bytes [within.begin, within.end) of a pack. not_found: the store says that it is not there.
  net::task<result<std::string>> fetch(std::shared_ptr<pack> from, byte_range within, net::deadline until);
  /// An exchange went well, or in a way that says that the store is not well: after some of these in a row it is left
  /// alone until a probe succeeds.
  void succeeded() noexcept;
  void failed(const error& why) noexcept;
  /// The store lost it.
  void lost(const std::shared_ptr<pack>& gone);

  /// Everything that is due: claims the prefix, reads what it holds, writes what waits, deletes what is too old or too
  /// much. On the home loop, one at a time.
  static net::task<void> round(std::shared_ptr<place> self);
  /// Rounds until the place ends.
  static net::task<void> tend(std::shared_ptr<place> self);

  place_metrics counts;

private:
  // place_opening.cc
  static net::task<result<void>> claim(std::shared_ptr<place> self);
  static net::task<result<std::optional<marker>>> read_marker(std::shared_ptr<place> self);
  static net::task<result<void>> write_marker(std::shared_ptr<place> self, marker wanted, bool first);
  static net::task<result<void>> find_packs(std::shared_ptr<place> self);
  static net::task<void> load_packs(std::shared_ptr<place> self);
  struct loading;
  static net::task<void> load_on(std::shared_ptr<place> self, std::shared_ptr<loading> job);
  static net::task<result<void>> load(std::shared_ptr<place> self, std::shared_ptr<pack> one);
  static net::task<void> check_marker(std::shared_ptr<place> self);
  static net::task<void> open(std::shared_ptr<place> self);
  void note_owners(const marker& of);
  bool is_mine(const marker& found) const;
  void refuse(const std::string& why);

  // place.cc
  static net::task<void> write_waiting(std::shared_ptr<place> self);
  static net::task<result<void>> put(std::shared_ptr<place> self, std::string key, net::slice body,
                                     http::header_table fields);
  static net::task<bool> remove(std::shared_ptr<place> self, std::string key, std::uint64_t bytes);
  static net::task<void> sweep(std::shared_ptr<place> self);
  static net::task<bool> make_room(std::shared_ptr<place> self, std::uint64_t bytes);
  std::shared_ptr<pack> begin_pack();
  void seal();
  std::shared_ptr<pack> next_waiting() const;
  void drop_waiting(const std::shared_ptr<pack>& which, metrics::counter& because, bool maybe_there);
  void stored(const std::shared_ptr<pack>& which);
  std::shared_ptr<pack> oldest() const;
  void forget(const std::shared_ptr<pack>& which);
  void leave_alone() noexcept;
  void set_state(state next);
  void waits(std::int64_t bytes) noexcept;
  void show();
  bool expired(const pack& one) const;
  std::uint32_t seconds_now() const;
  net::deadline soon() const { return net::deadline::after(settings().timeout); }

  const std::shared_ptr<place_context> context_;
  const storage::tenant_id tenant_;
  const std::shared_ptr<std::atomic<bool>> readable_;
  std::atomic<state> state_{state::starting};
  std::shared_ptr<origin::limiter> permits_;

  mutable std::mutex mutex_;
  place_settings settings_;
  std::deque<std::shared_ptr<pack>> packs_;   ///< in the store, the oldest first
  std::vector<std::shared_ptr<pack>> unread_; ///< of these, found by a listing: their extents are not known yet
  std::deque<std::shared_ptr<pack>> waiting_; ///< to be written
  std::vector<std::pair<std::string, std::uint64_t>> doomed_; ///< keys to delete (again), and their bytes
  std::vector<std::string> owners_;                           ///< first halves of the stores whose packs are ours
  bool listed_ = false;                                       ///< `packs_` tells what the store had at the start
  std::uint64_t held_bytes_ = 0;                              ///< of `packs_` and `doomed_`
  unsigned failures_ = 0, tries_ = 0;                         ///< in a row; of the first that waits
  std::chrono::milliseconds patience_{0};                     ///< until the next probe; 0: it answered last time
  steady_time probe_at_{}, writes_at_{}, checked_at_{};
  std::optional<net::event> wake_; ///< of `tend`

  mutable std::mutex gather_mutex_; ///< held while an extent is checksummed
  pack_builder builder_;
  std::shared_ptr<pack> gathering_; ///< what `builder_` makes; null: nothing yet
  steady_time gathering_since_{};
};

} // namespace forebay::cache::cold
