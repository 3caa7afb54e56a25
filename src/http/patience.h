// How long a slow sender is waited for.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace forebay::http {

/// A sender must bring `least_bytes` within each `span` of waiting. Only waiting for him counts: whoever uses the bytes
/// may take his time. Pure; times are given.
class patience {
public:
  patience(std::chrono::nanoseconds span, std::uint64_t least_bytes)
      : span_(span), least_bytes_(std::max<std::uint64_t>(least_bytes, 1)), left_(span) {}

  /// When a wait that begins now must have brought something.
  steady_time ends(steady_time began) const noexcept { return began + left_; }
  /// A wait has brought so many bytes.
  void brought(std::uint64_t bytes, steady_time began, steady_time now) noexcept {
    bytes_ += bytes;
    left_ -= std::min<std::chrono::nanoseconds>(left_, now - began);
    if (bytes_ < least_bytes_) return;
    bytes_ = 0;
    left_ = span_;
  }
  /// Something has come, but too little.
  bool moves() const noexcept { return bytes_ > 0; }

private:
  std::chrono::nanoseconds span_;
  std::uint64_t least_bytes_;
  std::chrono::nanoseconds left_;
  std::uint64_t bytes_ = 0; ///< since the last time that there were enough
};

} // namespace forebay::http
