// Waiting with a deadline: the only ways in which a coroutine of ours stands still.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "net/task.h"

namespace forebay::net {

/// The moment by which something must have happened. Passed by value down the call chain.
struct deadline {
  steady_time at;
  static deadline after(std::chrono::milliseconds span) { return {std::chrono::steady_clock::now() + span}; }
  bool passed() const noexcept { return std::chrono::steady_clock::now() >= at; }
  /// The earlier of this and `span` from now.
  deadline within(std::chrono::milliseconds span) const { return {std::min(at, after(span).at)}; }
};

/// An entry of the loop's sweep: `expired` is called once on the loop after `at`. Intrusive, so arming costs
/// no allocation. Owner: whoever waits. Loop thread only; must be disarmed before it goes.
class timed_wait {
public:
  steady_time at{};
  virtual void expired() noexcept = 0;
  /// The loop ends while this is armed: let go of whatever waits (its frames are destroyed).
  virtual void abandoned() noexcept {}
  bool armed() const noexcept { return link_ != nullptr; }

protected:
  timed_wait() = default;
  virtual ~timed_wait() = default;

private:
  friend class deadlines;
  timed_wait* next_ = nullptr;
  timed_wait** link_ = nullptr; ///< what points at us; null when not armed
};

/// A flag that one coroutine waits for and any thread raises. It stays raised until a wait takes it, so a
/// notify that comes before the wait is not lost. The waiting side belongs to one loop. Copies share the flag.
class event {
public:
  event(); ///< on the loop that will wait
  /// True when notified, false when the deadline passed. One waiter at a time.
  task<bool> wait(deadline until) const;
  /// Raises the flag and wakes the waiter. Thread-safe.
  void notify() const;
  struct state;

private:
  std::shared_ptr<state> state_;
};

/// Sleeps on the loop (retries with jitter, Retry-After).
task<void> sleep_for(std::chrono::milliseconds span);
/// Goes to the end of the loop's queue: lets others run.
task<void> yield();

/// A single-shot callback timer on the current loop, precise to about a millisecond. Destroying it cancels.
class timer {
public:
  timer();
  ~timer();
  timer(timer&&) noexcept;
  timer& operator=(timer&&) noexcept;
  void start(std::chrono::microseconds after, std::function<void()> fire);
  void cancel();

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

/// Watches a foreign file descriptor (curl's, c-ares') for readiness on the current loop. It does not own
/// the descriptor. Edge-free: `ready(readable, writable)` is called again as long as the condition holds.
class fd_watch {
public:
  fd_watch(int fd, std::function<void(bool readable, bool writable)> ready);
  ~fd_watch(); ///< no call comes after this
  fd_watch(const fd_watch&) = delete;
  fd_watch& operator=(const fd_watch&) = delete;
  void set_interest(bool read, bool write);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace forebay::net
