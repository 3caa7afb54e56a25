#include "net/wait.h"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <system_error>

#include "base/log.h"
#include "net/deadlines.h"
#include "net/loop.h"
#include "net/poll_set.h"

namespace forebay::net {
namespace {

using executor = boost::asio::io_context::executor_type;
inline constexpr boost::asio::use_awaitable_t<executor> here{};

} // namespace

struct event::state final : timed_wait, std::enable_shared_from_this<event::state> {
  explicit state(loop& on) : home(on) {}

  void expired() noexcept override { complete(false); }
  void abandoned() noexcept override {
    const auto keep = shared_from_this(); // the handler's frame holds the last reference but this
    auto forgotten = std::move(waiter);
    waiter = nullptr;
  }
  void wake() {
    if (waiter && raised.exchange(false, std::memory_order_acq_rel)) {
      home.disarm(*this);
      complete(true);
    }
  }
  void complete(bool notified) {
    const auto keep = shared_from_this();
    auto handler = std::move(waiter);
    waiter = nullptr;
    if (handler) std::move(handler)(notified);
  }

  loop& home;
  std::atomic<bool> raised{false};
  boost::asio::any_completion_handler<void(bool)> waiter;
};

event::event() : state_(std::make_shared<state>(loop::current())) {}

task<bool> event::wait(deadline until) const {
  const std::shared_ptr<state> mine = state_;
  if (mine->raised.exchange(false, std::memory_order_acq_rel)) co_return true;
  if (until.passed()) co_return false;
  const bool notified = co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<executor>, void(bool)>(
      [](auto handler, state* waiting, deadline at) {
        // Boost 1.81 assigns any_completion_handlers through its own template constructor, without end.
        boost::asio::any_completion_handler<void(bool)> taken(std::move(handler));
        waiting->waiter.swap(taken);
        waiting->at = at.at;
        waiting->home.arm(*waiting);
        // A notify that came between the check above and here has posted a wake that finds this waiter.
      },
      here, mine.get(), until);
  co_return notified;
}

void event::notify() const {
  if (state_->raised.exchange(true, std::memory_order_acq_rel)) return;
  state_->home.post([state = state_] { state->wake(); });
}

task<void> sleep_for(std::chrono::milliseconds span) {
  const event over;
  timer until;
  until.start(span, [over] { over.notify(); });
  co_await over.wait(deadline::after(span + loop::tick));
}

task<void> yield() { co_await boost::asio::post(loop::current().context(), here); }

struct timer::impl final : precise_wait, std::enable_shared_from_this<timer::impl> {
  explicit impl(loop& on) : home(on) {}
  void fired() noexcept override {
    const auto keep = shared_from_this(); // what is called may destroy the timer
    const auto call = std::exchange(fire, nullptr);
    call();
  }
  loop& home;
  std::function<void()> fire;
};

timer::timer() : impl_(std::make_shared<impl>(loop::current())) {}
timer::timer(timer&&) noexcept = default;
timer& timer::operator=(timer&& other) noexcept {
  if (this != &other) {
    if (impl_) cancel();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
timer::~timer() {
  if (impl_) cancel();
}

void timer::start(std::chrono::microseconds after, std::function<void()> fire) {
  impl_->fire = std::move(fire);
  impl_->at = std::chrono::steady_clock::now() + after;
  impl_->home.arm(*impl_);
}

void timer::cancel() {
  impl_->unlink();
  impl_->fire = nullptr;
}

struct fd_watch::impl final : poll_target, std::enable_shared_from_this<fd_watch::impl> {
  impl(loop& on, int watched, std::function<void(bool, bool)> call) : home(on), fd(watched), ready(std::move(call)) {}

  void on_events(std::uint32_t events) noexcept override {
    const auto keep = shared_from_this();                    // `ready` may destroy the watch
    const bool over = (events & (EPOLLHUP | EPOLLERR)) != 0; // reads and writes will tell
    const bool readable = read_wanted && (over || (events & EPOLLIN) != 0);
    if (readable) ready(true, false);
    const bool writable = alive && write_wanted && (over || (events & EPOLLOUT) != 0);
    if (writable) ready(false, true);
  }
  std::uint32_t interest() const noexcept {
    return (read_wanted ? std::uint32_t{EPOLLIN} : 0U) | (write_wanted ? std::uint32_t{EPOLLOUT} : 0U);
  }
  /// Nothing wanted is out of the set: the kernel would tell of an end all the same, again and again.
  void enrol() noexcept {
    const std::uint32_t events = interest();
    if (events == 0 && enrolled) home.sockets().remove(fd, *this);
    if (events != 0 && enrolled) home.sockets().change(fd, *this, events);
    enrolled = events != 0 && (enrolled || home.sockets().add(fd, *this, events));
    if (events != 0 && !enrolled)
      log::error("loop", "cannot watch a descriptor: {}", std::system_category().message(errno));
  }

  loop& home;
  int fd;
  std::function<void(bool, bool)> ready;
  bool read_wanted = false, write_wanted = false, enrolled = false;
  bool alive = true;
};

fd_watch::fd_watch(int fd, std::function<void(bool readable, bool writable)> ready)
    : impl_(std::make_shared<impl>(loop::current(), fd, std::move(ready))) {}

fd_watch::~fd_watch() {
  impl_->alive = false;
  set_interest(false, false);
}

void fd_watch::set_interest(bool read, bool write) {
  const bool same = read == impl_->read_wanted && write == impl_->write_wanted;
  if (same && impl_->enrolled == (read || write)) return;
  impl_->read_wanted = read;
  impl_->write_wanted = write;
  impl_->enrol();
}

} // namespace forebay::net
