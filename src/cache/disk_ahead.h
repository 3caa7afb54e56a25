// What one reader has read from the lower tier: the piece that he waits for, and the next ones meanwhile. Internal to
// cache/.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "cache/engine.h"
#include "net/wait.h"

namespace forebay::cache {

class version;

/// Reads pieces of a version into memory, up to `disk_ahead_bytes` ahead of its reader and never past what he asked
/// for: while he sends one, the disk brings the next. All readers together have at most a share of the memory tier
/// ahead of them, so that what was read is still there when they come to it. Loop thread only; a read in progress
/// outlives it.
class disk_ahead {
public:
  disk_ahead(std::shared_ptr<engine> shared, std::shared_ptr<version> of);
  ~disk_ahead();
  disk_ahead(const disk_ahead&) = delete;
  disk_ahead& operator=(const disk_ahead&) = delete;

  /// Begins to read `held`, of which the reader lacks the first byte, or the first piece of it.
  /// `end`: of what the reader asked for.
  void begin(byte_range held, std::uint64_t end);
  /// The reader is at `at`: what lies before it is done with, and more is read while there is room.
  void advance(std::uint64_t at, std::uint64_t end);
  /// Whether the byte at `at` is among what was begun and not waited for yet.
  bool brings(std::uint64_t at) const noexcept;
  /// The end of the read that brings `at`. timeout when neither that nor its failure came in time; not_found also when
  /// it was begun ahead and the tier had too much to do: now that somebody waits it is worth another try.
  net::task<result<byte_range>> wait(std::uint64_t at, net::deadline until);
  /// No more is begun: the tier failed.
  void stop() noexcept {
    stopped_ = true;
    ordered_ = {};
  }
  /// What was begun, without a gap: bytes that are there within it came from the disk.
  byte_range ordered() const noexcept { return ordered_; }

private:
  struct piece {
    byte_range range;
    net::event ended;
    result<byte_range> outcome;
    std::uint64_t charged_bytes = 0; ///< of the share of all readers
    bool waited_for = false;
    bool refused_ahead() const noexcept {
      return charged_bytes > 0 && !outcome && outcome.error().kind == error_kind::exhausted;
    }
  };
  static net::task<void> read(std::shared_ptr<engine> shared, std::shared_ptr<version> of, std::shared_ptr<piece> mine);
  bool add(byte_range range, bool ahead);
  void drop_until(std::uint64_t at) noexcept;
  byte_range next_piece(std::uint64_t end) const;

  const std::shared_ptr<engine> engine_;
  const std::shared_ptr<version> version_;
  std::deque<std::shared_ptr<piece>> pieces_; ///< in order, each beginning where the one before ends
  byte_range ordered_{};
  bool stopped_ = false;
};

} // namespace forebay::cache
