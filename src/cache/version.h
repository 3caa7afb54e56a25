// An object at one validator and one length: its extents in the tiers and its fills. Internal to cache/.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cache/engine.h"
#include "cache/fill.h"
#include "cache/streams.h"

namespace forebay::cache {

/// Thread-safe. Its bytes in memory live as long as it does: the tier forgets them when the last reader and
/// the object have let go.
class version : public std::enable_shared_from_this<version> {
public:
  static constexpr std::uint64_t length_unknown = UINT64_MAX;

  version(std::shared_ptr<engine> shared, const storage::object_key& object, origin::validator pinned,
          std::optional<std::uint64_t> length_bytes, std::uint64_t nonce);
  ~version();
  /// A version that is no other's, whatever validator and length say: of one exchange, and gone with it.
  static std::shared_ptr<version> of_its_own(std::shared_ptr<engine> shared, const storage::object_key& object,
                                             origin::validator pinned, std::optional<std::uint64_t> length_bytes);

  const storage::version_key& key() const noexcept { return key_; }
  const origin::validator& pinned() const noexcept { return pinned_; }
  std::uint64_t length() const noexcept { return length_.load(std::memory_order_acquire); }
  void set_length(std::uint64_t bytes) noexcept { length_.store(bytes, std::memory_order_release); }
  /// The origin holds another version now: what is held may be read, nothing more can be fetched.
  void set_changed() noexcept { changed_.store(true, std::memory_order_release); }
  /// The origin says that it holds this version (again).
  void set_current() noexcept { changed_.store(false, std::memory_order_release); }
  bool changed() const noexcept { return changed_.load(std::memory_order_acquire); }
  /// A body of unknown version broke off, or what came is not the object: what is held is not the whole and never will
  /// be. The first reason stays.
  void set_broken(error why);
  bool broken() const noexcept { return broken_.load(std::memory_order_acquire); }
  /// What a reader of a broken version is told.
  error harm() const;

  /// Whether its origin answers ranges with the whole: another request would only bring again what is coming already.
  void set_whole_only(bool so) noexcept { whole_only_.store(so, std::memory_order_release); }

  /// What a reader at `at` who misses bytes shall do.
  struct plan {
    std::shared_ptr<fill> follow;    ///< wait for this fill
    std::optional<byte_range> lower; ///< or read this from the lower tier ...
    bool cold = false;               ///< ... or, when it says so, from the cold one
    bool started = false;            ///< `follow` was started for this reader
  };                                 ///< neither: look into memory again
  /// Tiers that failed a reader: what they hold is fetched again.
  struct passed_over {
    bool lower = false, cold = false;
    bool begun = false; ///< the reader has been given bytes: what is missing is fetched whatever the limits say
  };
  /// Finds or starts the fill for `at`; a new one reaches to `want_end` (grown to grains, small objects whole)
  /// unless held or coming bytes begin before.
  result<plan> locate(std::uint64_t at, std::uint64_t want_end, bool ahead, passed_over without,
                      const std::vector<binding>& origins);
  /// Starts fills for what is missing of `range` ahead of a sequential reader. Never fails: it is a wish.
  void fetch_ahead(byte_range range, const std::vector<binding>& origins);
  /// Notes a range read for sequential detection, where it is a part of a large object; gives the offset up to which
  /// to fetch, the end of the range where nothing is to be fetched ahead.
  std::uint64_t observe(byte_range range);

  /// Adopts the fill that a first exchange began.
  void add_fill(std::shared_ptr<fill> made);
  void remove_fill(const fill* gone) noexcept;

  /// False when nothing more can come of it: it changed, or no validator tells it from others and a part is neither
  /// held nor coming (a reader left, memory was needed), so that it can only be fetched anew, as another version.
  bool usable() const;
  /// True when the byte is held or a fill will bring it.
  bool held_or_coming(std::uint64_t at) const;
  /// True when all of `range` is held (a plan, not a promise).
  bool holds(byte_range range) const;

private:
  std::optional<byte_range> held_below(byte_range within) const;
  std::optional<plan> plan_below(byte_range within, passed_over without) const;
  bool can_continue() const noexcept { return pinned_ && length() != length_unknown; }
  std::shared_ptr<fill> covering(std::uint64_t at) const;
  result<std::shared_ptr<fill>> start(byte_range range, bool ahead, const std::vector<binding>& origins);
  std::uint64_t clip(std::uint64_t begin, std::uint64_t end) const;

  const std::shared_ptr<engine> engine_;
  const origin::validator pinned_;
  const storage::version_key key_;
  std::atomic<std::uint64_t> length_;
  std::atomic<bool> changed_{false}, broken_{false}, whole_only_{false};

  mutable std::mutex mutex_;
  std::unique_ptr<const error> harm_; ///< once it is broken
  std::vector<std::shared_ptr<fill>> fills_;
  std::unique_ptr<read_streams> streams_; ///< made by the first read of a part: most objects are small
};

} // namespace forebay::cache
