// A loop that has too much to do.
#pragma once

#include <chrono>
#include <ctime>

namespace forebay::net {

/// Keeps the processor.
inline void burn(std::chrono::nanoseconds span) {
  const auto used = [] {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  for (const auto until = used() + span; used() < until;) {}
}

} // namespace forebay::net
