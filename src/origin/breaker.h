// A circuit breaker: after many failures in a row an origin is left alone for a while.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "base/clock.h"

namespace forebay::origin {

/// Closed: everything passes. Open: nothing passes for a while. Half-open: one probe passes; its outcome
/// decides. Thread-safe.
class breaker : public std::enable_shared_from_this<breaker> {
public:
  breaker(unsigned failures_to_open, std::chrono::milliseconds open_for, const clock& time);

  /// An exchange that the breaker let through. Tell it how it went; one that goes without a word (its
  /// coroutine was destroyed, or the failure was not the origin's) leaves the count as it was and lets
  /// another one probe. Movable.
  class pass {
  public:
    pass() = default;
    pass(pass&& other) noexcept = default;
    pass& operator=(pass&& other) noexcept;
    ~pass() { withdraw(); }
    void succeeded() noexcept;
    void failed() noexcept;

  private:
    friend class breaker;
    pass(std::shared_ptr<breaker> of, bool probe) : of_(std::move(of)), probe_(probe) {}
    void withdraw() noexcept;
    std::shared_ptr<breaker> of_;
    bool probe_ = false;
  };

  /// A pass, or nothing while the breaker is open.
  std::optional<pass> enter();
  /// How long it stays open; zero when closed or half-open.
  std::chrono::milliseconds closed_in() const;
  /// True from the failure that opened it to the success of a probe.
  bool is_open() const;
  void configure(unsigned failures_to_open, std::chrono::milliseconds open_for);

private:
  void record(bool success, bool probe) noexcept;
  void probe_left() noexcept;

  mutable std::mutex mutex_;
  const clock& time_;
  unsigned failures_to_open_;
  std::chrono::milliseconds open_for_;
  unsigned failures_in_row_ = 0;
  bool open_ = false;
  bool probing_ = false;
  steady_time until_{};
};

} // namespace forebay::origin
