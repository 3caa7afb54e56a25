#include "net/loop.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <future>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "base/log.h"
#include "net/deadlines.h"
#include "net/poll_set.h"

namespace forebay::net {
namespace {

thread_local loop* current_loop = nullptr;

void end_on_exception(std::exception_ptr failure) {
  if (failure == nullptr) return;
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& what) {
    log::error("loop", "an exception left a coroutine: {}", what.what());
  } catch (...) {
    log::error("loop", "an unknown exception left a coroutine");
  }
  std::terminate();
}

} // namespace

/// Ends the wait for sockets from other threads.
class loop::alarm final : public poll_target {
public:
  explicit alarm(poll_set& among) : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    // Edge-triggered, it needs no read: each write is an edge.
    if (fd_ < 0 || !among.add(fd_, *this, EPOLLIN | EPOLLET))
      throw std::system_error(errno, std::system_category(), "eventfd");
  }
  ~alarm() { ::close(fd_); }
  alarm(const alarm&) = delete;
  alarm& operator=(const alarm&) = delete;

  void ring() noexcept {
    if (rung_.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    (void)!::write(fd_, &one, sizeof one);
  }
  void on_events(std::uint32_t) noexcept override { rung_.exchange(false, std::memory_order_acq_rel); }

private:
  int fd_;
  std::atomic<bool> rung_{false}; ///< the loop has not looked since
};

namespace {
/// Handlers that run, at most, before the sockets get their turn, and the time that they may take: who yields comes
/// back at once, and with much to do.
constexpr unsigned handlers_at_once = 256;
constexpr std::chrono::microseconds handlers_time{500};
} // namespace

loop::loop(unsigned index)
    : index_(index),
      sockets_(std::make_unique<poll_set>()),
      alarm_(std::make_shared<alarm>(*sockets_)),
      deadlines_(std::make_unique<deadlines>()),
      // Not 1, which would be true: Asio 1.81 loses count of work that is posted under a nested poll_one, and stops.
      context_(2),
      working_(context_.get_executor()) {}

loop::~loop() {
  ending_.begun = true;
  ending_.before = current_loop;
  current_loop = this; // frames that are destroyed from now on may speak to their loop
  deadlines_->abandon();
}

loop::ending::~ending() {
  if (begun) current_loop = before;
}

loop& loop::current() noexcept {
  if (current_loop == nullptr) std::terminate();
  return *current_loop;
}
loop* loop::try_current() noexcept { return current_loop; }

void loop::spawn(task<> work) {
  const waking after(*this);
  boost::asio::co_spawn(context_, std::move(work), end_on_exception);
}

loop::waking::waking(const loop& of) noexcept : rings_(current_loop == &of ? nullptr : of.alarm_) {}
loop::waking::~waking() {
  if (rings_ != nullptr) rings_->ring();
}

void loop::arm(timed_wait& wait) noexcept { deadlines_->arm(wait); }
void loop::disarm(timed_wait& wait) noexcept { deadlines_->disarm(wait); }
void loop::arm(precise_wait& wait) noexcept { deadlines_->arm(wait); }

void loop::run() {
  current_loop = this;
  // As a handler of the io_context, so that coroutines which sockets wake find the thread's memory for their frames.
  boost::asio::post(context_, [this] { serve(); });
  context_.run();
  current_loop = nullptr;
}

/// The io_context has nothing of the kernel's: it is a queue of handlers, and the wait is here. (What is posted as a
/// continuation, by asio::defer, would not be found under the nested poll_one: nobody does that.)
void loop::serve() {
  woke_ns_.store(std::chrono::steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  while (!stopping_) {
    const bool more = run_handlers();
    if (stopping_) break;
    const auto now = std::chrono::steady_clock::now();
    ++turn_;
    // Of one writer: no need for more than plain stores.
    const std::int64_t before = busy_ns_.load(std::memory_order_relaxed),
                       woke = woke_ns_.load(std::memory_order_relaxed);
    busy_ns_.store(before + now.time_since_epoch().count() - woke, std::memory_order_relaxed);
    woke_ns_.store(0, std::memory_order_relaxed);
    sockets_->wait(more ? std::chrono::nanoseconds(0) : deadlines_->next() - now);
    const auto woken = std::chrono::steady_clock::now();
    woke_ns_.store(woken.time_since_epoch().count(), std::memory_order_relaxed);
    sockets_->tell();
    const auto late = deadlines_->run(woken);
    if (late) lag_ns_.store(late->count(), std::memory_order_relaxed);
  }
  context_.stop();
}

/// Whether some may be left.
bool loop::run_handlers() {
  const auto until = std::chrono::steady_clock::now() + handlers_time;
  for (unsigned i = 0; i < handlers_at_once; ++i) {
    if (context_.poll_one() == 0) return false;
    if (std::chrono::steady_clock::now() >= until) break;
  }
  return true;
}

void loop::stop() noexcept {
  const auto bell = alarm_;
  boost::asio::post(context_, [this] { stopping_ = true; });
  bell->ring(); // from this loop, too: it may be about to wait
}

std::chrono::nanoseconds loop::busy_time(steady_time now) const noexcept {
  const std::int64_t woke = woke_ns_.load(std::memory_order_relaxed);
  const std::int64_t present = woke == 0 ? 0 : std::max<std::int64_t>(now.time_since_epoch().count() - woke, 0);
  return std::chrono::nanoseconds(busy_ns_.load(std::memory_order_relaxed) + present);
}

double loop::lag_seconds() const noexcept {
  return static_cast<double>(lag_ns_.load(std::memory_order_relaxed)) * 1e-9;
}

loop_group::loop_group(unsigned count) {
  for (unsigned i = 0; i < count; ++i) loops_.push_back(std::make_unique<loop>(i));
}

loop_group::~loop_group() { stop(); }

void loop_group::start() {
  for (auto& each : loops_) threads_.emplace_back([mine = each.get()] { mine->run(); });
}

void loop_group::stop() {
  for (auto& each : loops_) each->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void run_blocking(loop& where, task<> work) {
  std::promise<void> ended;
  {
    const loop::waking after(where);
    boost::asio::co_spawn(where.context(), std::move(work), [&ended](std::exception_ptr failure) {
      if (failure != nullptr) {
        ended.set_exception(failure);
      } else {
        ended.set_value();
      }
    });
  }
  ended.get_future().get();
}

} // namespace forebay::net
