// A fill: the one transfer in progress for a missing range. Internal to cache/.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cache/engine.h"
#include "net/loop.h"
#include "net/wait.h"

namespace forebay::cache {

class version;

/// A reader's place at a fill. Written by the reader, read by the fill.
struct mark {
  net::event wake;
  std::atomic<std::uint64_t> position{0};
  std::atomic<bool> waiting{false};
};

/// Belongs to a version, not to the reader who caused it. Its coroutine runs on one loop (`home`); marks attach
/// from any thread. Its bytes go straight into blocks of the memory tier, where readers on all loops see them
/// grow. It runs at most a window ahead of its fastest reader; with no reader it pauses for a moment, then ends
/// at a whole grain and keeps what came. A fill begun ahead of a sequential reader runs to its (bounded) end.
class fill : public std::enable_shared_from_this<fill> {
public:
  fill(std::shared_ptr<engine> shared, std::shared_ptr<version> of, std::vector<binding> origins, byte_range planned,
       bool ahead);
  ~fill();

  std::uint64_t begin() const noexcept { return begin_; }
  std::uint64_t end() const noexcept { return end_.load(std::memory_order_acquire); }
  /// Bytes [begin, frontier) have come (held bytes that lay in between included).
  std::uint64_t frontier() const noexcept { return frontier_.load(std::memory_order_acquire); }
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  /// How it ended: success also when it stopped early. Only after `ended()`.
  result<void> outcome() const;
  /// The transfer will not go past `end` (another fill takes over there).
  void shrink(std::uint64_t end) noexcept;
  /// Takes `until` into the plan while nothing has been asked yet; false afterwards.
  bool extend(std::uint64_t until) noexcept;
  /// Closes the plan: what a first exchange brings was asked for before there was a fill.
  void mark_asked() noexcept;

  std::size_t followers() const noexcept;
  void attach(const std::shared_ptr<mark>& reader);
  void detach(const std::shared_ptr<mark>& reader) noexcept;
  /// A reader consumed up to its mark's position: a paused transfer may go on.
  void advanced(const mark& reader) noexcept;

  /// The transfer. `body` is what a first exchange brought, beginning at offset `body_at` of the object; null
  /// makes the fill ask by itself, pinned.
  static net::task<void> run(std::shared_ptr<fill> self, std::unique_ptr<http::client_body> body,
                             std::uint64_t body_at);

private:
  enum class pumped { done, idle, out_of_body };

  net::task<result<void>> transfer(std::unique_ptr<http::client_body> body, std::uint64_t body_at);
  net::task<result<std::pair<std::unique_ptr<http::client_body>, std::uint64_t>>> ask(std::size_t which);
  net::task<result<pumped>> pump(http::client_body& body, std::uint64_t body_at);
  net::task<result<bool>> skip(http::client_body& body, std::uint64_t count);
  net::task<result<bool>> wait_for_room(std::uint64_t at);
  net::task<result<bool>> reserve(std::uint64_t at);
  void drop_recent() noexcept;
  bool lasting() const;
  void disown(const error& why);
  void commit_block(bool reaches_end);
  void commit_rest();
  void advance_to(std::uint64_t frontier);
  void wake_readers(bool all);
  void finish(result<void> how);
  void abandon() noexcept;
  std::uint64_t run_limit() const noexcept;
  bool has_readers() const noexcept;
  void charge(std::uint64_t bytes);

  const std::shared_ptr<engine> engine_;
  const std::shared_ptr<version> version_;
  const std::vector<binding> origins_;
  const std::uint64_t begin_;
  const bool ahead_;
  std::atomic<std::uint64_t> end_;
  std::atomic<std::uint64_t> frontier_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> paused_{false};
  bool asked_ = false; ///< under mutex_

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<mark>> marks_;
  result<void> outcome_;

  // Of the home loop alone:
  net::event resume_;
  storage::reservation block_;
  std::deque<net::pin> recent_; ///< blocks just filled stay pinned while readers close to the front need them
  std::size_t recent_bytes_ = 0;
  std::uint64_t woken_at_ = 0;
  std::uint64_t body_end_; ///< where the body in hand ends: there its connection can be kept
  bool end_known_ = true;  ///< false while the object's length is unknown
};

} // namespace forebay::cache
