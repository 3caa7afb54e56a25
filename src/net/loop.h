// The event loop of one core, and the group of them.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "net/task.h"

namespace forebay::net {

class deadlines;
class poll_set;
class poll_target;
class precise_wait;
class timed_wait;

/// One thread, one epoll set, one io_context that runs its coroutines, one sweep of deadlines. Everything that belongs
/// to a connection or a fill runs on the loop where it was started; other threads reach it by `post`. Nothing on it may
/// block.
class loop {
public:
  /// Resolution of the sweep of deadlines; a wait may end this much late.
  static constexpr std::chrono::milliseconds tick{32};

  explicit loop(unsigned index);
  ~loop();
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  /// The loop of this thread; it is a defect to ask on any other thread.
  static loop& current() noexcept;
  static loop* try_current() noexcept;

  class alarm;
  /// Made before something is given to `context()`: when it goes, the loop sees that, where it waits for sockets. It
  /// keeps what it needs, since the loop may have ended by then, by that very work. Any thread.
  class waking {
  public:
    explicit waking(const loop& of) noexcept;
    ~waking();
    waking(const waking&) = delete;
    waking& operator=(const waking&) = delete;

  private:
    std::shared_ptr<alarm> rings_; ///< null on the loop's own thread, which need not be woken
  };

  unsigned index() const noexcept { return index_; }
  boost::asio::io_context& context() noexcept { return context_; } ///< for net/ alone; see `waking`

  /// Runs `work` on this loop soon. Thread-safe.
  template <class F>
  void post(F&& work) {
    const waking after(*this);
    boost::asio::post(context_, std::forward<F>(work));
  }
  /// Starts a coroutine on this loop; it lives until it ends. An exception that leaves it is a defect and
  /// ends the process. Thread-safe.
  void spawn(task<> work);

  /// Puts a wait under the sweep / takes it out. Loop thread only.
  void arm(timed_wait& wait) noexcept;
  void disarm(timed_wait& wait) noexcept;
  void arm(precise_wait& wait) noexcept; ///< taken out by itself

  /// Turns so far: each takes what is ready at once. Loop thread only.
  std::uint64_t turn() const noexcept { return turn_; }

  /// The loop's descriptors. Loop thread only.
  poll_set& sockets() noexcept { return *sockets_; }

  /// Runs until `stop`. The thread that calls it becomes the loop's thread.
  void run();
  /// Ends `run` after the handlers in progress. Thread-safe.
  void stop() noexcept;
  /// Seconds by which the last tick came late: the lag of this loop. Thread-safe.
  double lag_seconds() const noexcept;

  /// How long it has had something to do, up to `now`: what is not waiting. Thread-safe.
  std::chrono::nanoseconds busy_time(steady_time now) const noexcept;

private:
  void serve();
  bool run_handlers();

  /// Declared first, so that it ends last: while `context_` destroys the frames that still wait, they find their loop.
  struct ending {
    bool begun = false;
    loop* before = nullptr;
    ~ending();
  };

  ending ending_;
  unsigned index_;
  std::unique_ptr<poll_set> sockets_; ///< these three before `context_`: frames that it destroys take themselves out
  std::shared_ptr<alarm> alarm_;
  std::unique_ptr<deadlines> deadlines_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> working_;
  bool stopping_ = false;
  std::uint64_t turn_ = 0;
  std::atomic<std::int64_t> lag_ns_{0};
  // A loop is busy since `woke_ns_`; 0: it waits.
  std::atomic<std::int64_t> busy_ns_{0}, woke_ns_{0};
};

/// The loops of the process: one thread each. Built and ended by app/ (and by tests).
class loop_group {
public:
  explicit loop_group(unsigned count);
  ~loop_group(); ///< stops and joins
  void start();
  /// Stops every loop and joins its thread. Coroutines still waiting are destroyed.
  void stop();
  unsigned size() const noexcept { return static_cast<unsigned>(loops_.size()); }
  loop& at(unsigned index) noexcept { return *loops_[index]; }

private:
  std::vector<std::unique_ptr<loop>> loops_;
  std::vector<std::thread> threads_;
};

/// Starts `work` on `where` and blocks this (non-loop) thread until it ended. For start-up, the command
/// line and tests.
void run_blocking(loop& where, task<> work);

} // namespace forebay::net
