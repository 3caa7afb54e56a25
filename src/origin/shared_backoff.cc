#include "origin/shared_backoff.h"

#include <algorithm>

namespace forebay::origin {

shared_backoff::shared_backoff(const origin_limits& limits, const clock& time)
    : time_(time), base_(limits.retry_base), cap_(limits.retry_cap), longest_(limits.throttle_pause) {}

void shared_backoff::configure(const origin_limits& limits) {
  const std::lock_guard lock(mutex_);
  base_ = limits.retry_base;
  cap_ = limits.retry_cap;
  longest_ = limits.throttle_pause;
}

bool shared_backoff::throttled(std::optional<std::chrono::seconds> retry_after) {
  constexpr unsigned doublings_max = 16; // of a base below a minute: beyond any cap, and no overflow
  const std::lock_guard lock(mutex_);
  const steady_time now = time_.steady();
  const bool begins = now >= quiet_until_;
  if (!begins && !retry_after) return false;
  const auto grown = std::min(cap_, base_ * (1u << std::min(in_a_row_, doublings_max)));
  const auto span = retry_after ? std::min<std::chrono::milliseconds>(longest_, *retry_after) : grown;
  quiet_until_ = std::max(quiet_until_, now + span);
  if (begins) ++in_a_row_;
  return begins;
}

void shared_backoff::answered() noexcept {
  const std::lock_guard lock(mutex_);
  // What was under way when the pause began may still succeed; the origin asked for the pause all the same.
  if (time_.steady() >= quiet_until_) in_a_row_ = 0;
}

std::chrono::milliseconds shared_backoff::left() const {
  const std::lock_guard lock(mutex_);
  const auto span = std::chrono::ceil<std::chrono::milliseconds>(quiet_until_ - time_.steady());
  return std::max(span, std::chrono::milliseconds(0));
}

} // namespace forebay::origin
