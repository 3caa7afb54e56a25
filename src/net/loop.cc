#include "net/loop.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <future>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "base/log.h"
#include "net/readiness.h"
#include "net/wait.h"

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

/// Hashed timing wheel: a wait sits in the slot of its tick; one that is further away than a turn stays where
/// it is until its turn comes.
struct loop::wheel {
  static constexpr std::size_t slots = 512;
  explicit wheel(boost::asio::io_context& context) : timer(context), guard(boost::asio::make_work_guard(context)) {}

  std::size_t slot_of(std::int64_t tick_number) const noexcept { return static_cast<std::size_t>(tick_number) % slots; }

  std::array<timed_wait*, slots> heads{};
  std::int64_t done_tick = 0; ///< ticks are counted from the steady clock's epoch
  boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                    boost::asio::io_context::executor_type>
      timer;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard;
};

/// The loop's own epoll set. The io_context would ask the kernel to be told of a socket before each wait, and would try
/// each read once in vain; here a socket is registered once for its life. The set itself is one descriptor of the
/// io_context.
struct loop::poll_set {
  static constexpr int events_at_once = 128;

  poll_set() : fd(::epoll_create1(EPOLL_CLOEXEC)) {
    if (fd < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
  }
  ~poll_set() { ::close(fd); }
  poll_set(const poll_set&) = delete;
  poll_set& operator=(const poll_set&) = delete;

  const int fd;
  std::array<epoll_event, events_at_once> events;
  int next = 0, count = 0; ///< of `events`, while they are dealt with
};

struct loop::poll_wait {
  poll_wait(boost::asio::io_context& context, int fd) : descriptor(context, fd) {}
  ~poll_wait() { descriptor.release(); }
  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> descriptor;
};

namespace {
/// Rounds through the sockets, and the time that they may take, before the io_context's own work gets its turn.
constexpr unsigned poll_rounds = 4;
constexpr std::chrono::milliseconds poll_time{1};

std::int64_t tick_of(steady_time at) noexcept { return at.time_since_epoch() / loop::tick; }
} // namespace

loop::loop(unsigned index)
    : index_(index),
      sockets_(std::make_unique<poll_set>()),
      context_(1),
      polling_(std::make_unique<poll_wait>(context_, sockets_->fd)),
      wheel_(std::make_unique<wheel>(context_)) {
  wheel_->done_tick = tick_of(std::chrono::steady_clock::now());
}

loop::~loop() {
  ending_.begun = true;
  ending_.before = current_loop;
  current_loop = this; // frames that are destroyed from now on may speak to their loop
  for (auto& head : wheel_->heads) {
    while (head != nullptr) {
      timed_wait& wait = *head;
      disarm(wait);
      wait.abandoned();
    }
  }
}

loop::ending::~ending() {
  if (begun) current_loop = before;
}

loop& loop::current() noexcept {
  if (current_loop == nullptr) std::terminate();
  return *current_loop;
}
loop* loop::try_current() noexcept { return current_loop; }

void loop::spawn(task<> work) { boost::asio::co_spawn(context_, std::move(work), end_on_exception); }

void loop::arm(timed_wait& wait) noexcept {
  disarm(wait);
  // The tick after the moment: a wait may end late, never early.
  const std::int64_t due = std::max(tick_of(wait.at) + 1, wheel_->done_tick + 1);
  timed_wait*& head = wheel_->heads[wheel_->slot_of(due)];
  wait.next_ = head;
  wait.link_ = &head;
  if (head != nullptr) head->link_ = &wait.next_;
  head = &wait;
}

void loop::disarm(timed_wait& wait) noexcept {
  if (wait.link_ == nullptr) return;
  *wait.link_ = wait.next_;
  if (wait.next_ != nullptr) wait.next_->link_ = wait.link_;
  wait.link_ = nullptr;
  wait.next_ = nullptr;
}

void loop::run() {
  current_loop = this;
  start_tick();
  start_polling();
  context_.run();
  current_loop = nullptr;
}

void loop::watch(int fd, readiness& by) noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &by;
  if (::epoll_ctl(sockets_->fd, EPOLL_CTL_ADD, fd, &event) == 0) return;
  log::error("loop", "cannot watch a socket, which ends: {}", std::system_category().message(errno));
  ::shutdown(fd, SHUT_RDWR);
}

void loop::unwatch(int fd, readiness& by) noexcept {
  ::epoll_ctl(sockets_->fd, EPOLL_CTL_DEL, fd, nullptr);
  for (int i = sockets_->next; i < sockets_->count; ++i) {
    epoll_event& told = sockets_->events[static_cast<std::size_t>(i)];
    if (told.data.ptr == &by) told.data.ptr = nullptr;
  }
}

void loop::start_polling() {
  polling_->descriptor.async_wait(polling_->descriptor.wait_read, [this](boost::system::error_code failed) {
    if (!failed) poll();
  });
}

/// Tells the sockets that became ready. With one alone the io_context's turn comes at once: nobody else waits.
void loop::poll() {
  poll_set& set = *sockets_;
  const auto began = std::chrono::steady_clock::now();
  for (unsigned round = 0; round < poll_rounds; ++round) {
    set.next = 0;
    set.count = ::epoll_wait(set.fd, set.events.data(), poll_set::events_at_once, 0);
    const int came = set.count;
    while (set.next < set.count) {
      const epoll_event now = set.events[static_cast<std::size_t>(set.next++)];
      if (now.data.ptr != nullptr) static_cast<readiness*>(now.data.ptr)->on_events(now.events);
    }
    set.count = 0;
    if (came <= 1 || std::chrono::steady_clock::now() - began > poll_time) break;
  }
  start_polling();
}

void loop::stop() noexcept {
  boost::asio::post(context_, [this] {
    wheel_->timer.cancel();
    context_.stop();
  });
}

double loop::lag_seconds() const noexcept {
  return static_cast<double>(lag_ns_.load(std::memory_order_relaxed)) * 1e-9;
}

void loop::start_tick() {
  wheel_->timer.expires_at(steady_time(tick * (tick_of(std::chrono::steady_clock::now()) + 1)));
  wheel_->timer.async_wait([this](boost::system::error_code failed) {
    if (!failed) on_tick();
  });
}

void loop::on_tick() {
  const auto now = std::chrono::steady_clock::now();
  lag_ns_.store(std::chrono::nanoseconds(now - wheel_->timer.expiry()).count(), std::memory_order_relaxed);
  const std::int64_t until = tick_of(now);
  // After a long pause one turn visits every slot: more would visit the same ones again.
  std::int64_t number = std::max(wheel_->done_tick, until - static_cast<std::int64_t>(wheel::slots));
  wheel_->done_tick = until;
  for (++number; number <= until; ++number) {
    timed_wait** at = &wheel_->heads[wheel_->slot_of(number)];
    // `expired` may arm, disarm and destroy other waits, so due ones are first moved to a list of their own.
    timed_wait* due = nullptr;
    while (*at != nullptr) {
      timed_wait& wait = **at;
      if (wait.at > now) {
        at = &wait.next_;
        continue;
      }
      disarm(wait);
      wait.next_ = due;
      wait.link_ = &due;
      if (due != nullptr) due->link_ = &wait.next_;
      due = &wait;
    }
    while (due != nullptr) {
      timed_wait& wait = *due;
      disarm(wait);
      wait.expired();
    }
  }
  start_tick();
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
  boost::asio::co_spawn(where.context(), std::move(work), [&ended](std::exception_ptr failure) {
    if (failure != nullptr) {
      ended.set_exception(failure);
    } else {
      ended.set_value();
    }
  });
  ended.get_future().get();
}

} // namespace forebay::net
