// Time as a value that tests can hold still.
#pragma once

#include <atomic>
#include <chrono>

namespace forebay {

using steady_time = std::chrono::steady_clock::time_point;
using wall_time = std::chrono::system_clock::time_point;

/// Source of both times. Thread-safe. Freshness uses `wall()` (RFC 9111 speaks of dates) but measures
/// resident time with `steady()`, so that a jumping wall clock cannot make something fresh again.
class clock {
public:
  virtual ~clock() = default;
  virtual steady_time steady() const noexcept = 0;
  virtual wall_time wall() const noexcept = 0;
};

/// The machine's clock; one instance for the process.
const clock& system_clock() noexcept;

/// A clock that moves only when told. Thread-safe.
class fake_clock final : public clock {
public:
  steady_time steady() const noexcept override;
  wall_time wall() const noexcept override;
  /// Moves both times forward.
  void advance(std::chrono::nanoseconds by) noexcept;
  /// Moves the wall clock alone (a jump: either direction).
  void jump_wall(std::chrono::nanoseconds by) noexcept;

private:
  std::atomic<std::int64_t> steady_ns_{1'000'000'000};
  std::atomic<std::int64_t> wall_ns_{1'700'000'000'000'000'000};
};

} // namespace forebay
