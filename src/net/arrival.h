// When bytes came that are read late. For net/ alone.
#pragma once

#include <chrono>
#include <span>

#include <sys/types.h>

#include "base/clock.h"

namespace forebay::net {

/// Tells by the loop's clock when the kernel had bytes that it has stamped with the time of day. That clock may be set
/// meanwhile: what lay there then is of no known age. Pure; not thread-safe.
class arrival_clock {
public:
  /// Both clocks read at once. Zero: not known.
  steady_time of(std::chrono::nanoseconds stamped, std::chrono::nanoseconds time_of_day, steady_time now) noexcept;

private:
  /// By so much the clocks may drift apart between two calls: adjusted, not set.
  static constexpr std::chrono::milliseconds drift{1};
  std::chrono::nanoseconds apart_{0};
  steady_time together_since_ = steady_time::max(); ///< `apart_` has not jumped
};

/// Asks the kernel to stamp what comes on the socket, or to leave that.
void stamp_arrivals(int fd, bool on) noexcept;
/// As `recv`; `arrived` is when the last of the bytes came, zero where the kernel does not tell. On a loop.
ssize_t receive_stamped(int fd, std::span<std::byte> into, steady_time& arrived) noexcept;

} // namespace forebay::net
