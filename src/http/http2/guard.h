// Bounds on what a peer may make us do by frames that cost it little.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/metrics.h"
#include "http/server.h"

namespace forebay::http {

/// So many at once, and so many a second after that.
class allowance {
public:
  allowance(double at_once, double each_second, steady_time now) noexcept
      : most_(at_once), rate_(each_second), left_(at_once), seen_(now) {}

  /// False: the peer has spent it.
  bool take(steady_time now) noexcept {
    left_ = std::min(most_, left_ + rate_ * std::chrono::duration<double>(now - seen_).count());
    seen_ = now;
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }
  void give(double more) noexcept { left_ = std::min(most_, left_ + more); }

private:
  double most_, rate_, left_;
  steady_time seen_;
};

/// What HTTP/2 counts; one for the process.
struct http2_counts {
  metrics::counter &connections, &streams;
  metrics::counter &resets, &control_frames, &header_list, &running, &header_timeout, &slow_readers;
};
http2_counts& http2_metrics();

} // namespace forebay::http
