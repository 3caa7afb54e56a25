// The pause that an origin gets from all its readers after it asked one of them to slow down.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "origin/factory.h"

namespace forebay::origin {

/// Begins with a throttled answer (429, SlowDown, 503 with Retry-After): as long as the origin said, at most
/// `throttle_pause`; else `retry_base`, doubled for each pause that follows another without an answer between them, at
/// most `retry_cap`. Thread-safe.
class shared_backoff {
public:
  shared_backoff(const origin_limits& limits, const clock& time);
  void configure(const origin_limits& limits);

  /// An answer was throttled. True when a pause begins with it: requests that were under way at that moment tell
  /// nothing new, but where they name a later end.
  bool throttled(std::optional<std::chrono::seconds> retry_after);
  /// Another answer came: the next pause begins small again.
  void answered() noexcept;
  /// What is left of the pause; zero where there is none.
  std::chrono::milliseconds left() const;

private:
  mutable std::mutex mutex_;
  const clock& time_;
  std::chrono::milliseconds base_, cap_, longest_;
  unsigned in_a_row_ = 0;
  steady_time quiet_until_{};
};

} // namespace forebay::origin
