#include "net/wait.h"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/defer.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/loop.h"

namespace forebay::net {
namespace {

using executor = boost::asio::io_context::executor_type;
inline constexpr boost::asio::use_awaitable_t<executor> here{};
using precise_timer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                        boost::asio::wait_traits<std::chrono::steady_clock>, executor>;

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
  boost::asio::post(state_->home.context(), [state = state_] { state->wake(); });
}

task<void> sleep_for(std::chrono::milliseconds span) {
  precise_timer timer(loop::current().context());
  timer.expires_after(span);
  co_await timer.async_wait(here);
}

task<void> yield() { co_await boost::asio::post(loop::current().context(), here); }

struct timer::impl {
  explicit impl(loop& on) : inner(on.context()) {}
  precise_timer inner;
  std::function<void()> fire;
  std::uint64_t round = 0; ///< tells an old expiry from the one that counts
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
  const std::uint64_t round = ++impl_->round;
  impl_->inner.expires_after(after);
  impl_->inner.async_wait([weak = std::weak_ptr(impl_), round](boost::system::error_code) {
    const auto mine = weak.lock();
    if (mine == nullptr || mine->round != round || !mine->fire) return;
    const auto call = std::exchange(mine->fire, nullptr);
    call();
  });
}

void timer::cancel() {
  ++impl_->round;
  impl_->fire = nullptr;
  impl_->inner.cancel();
}

struct fd_watch::impl : std::enable_shared_from_this<fd_watch::impl> {
  impl(loop& on, int fd, std::function<void(bool, bool)> call) : descriptor(on.context(), fd), ready(std::move(call)) {}

  void arm(bool write) {
    bool& waiting = write ? write_waiting : read_waiting;
    if (waiting) return;
    waiting = true;
    descriptor.async_wait(
        write ? descriptor.wait_write : descriptor.wait_read,
        [self = shared_from_this(), write](boost::system::error_code failed) { self->on_ready(write, failed); });
  }
  void on_ready(bool write, boost::system::error_code failed) {
    (write ? write_waiting : read_waiting) = false;
    if (!alive || failed == boost::asio::error::operation_aborted) return;
    if (!(write ? write_wanted : read_wanted)) return;
    ready(!write, write); // may destroy the watch: only members of this shared object are touched below
    if (!alive) return;
    if (read_wanted) arm(false);
    if (write_wanted) arm(true);
  }

  boost::asio::posix::basic_stream_descriptor<executor> descriptor;
  std::function<void(bool, bool)> ready;
  bool read_wanted = false, write_wanted = false;
  bool read_waiting = false, write_waiting = false;
  bool alive = true;
};

fd_watch::fd_watch(int fd, std::function<void(bool readable, bool writable)> ready)
    : impl_(std::make_shared<impl>(loop::current(), fd, std::move(ready))) {}

fd_watch::~fd_watch() {
  impl_->alive = false;
  impl_->descriptor.release(); // cancels the waits; the descriptor stays its owner's
}

void fd_watch::set_interest(bool read, bool write) {
  impl_->read_wanted = read;
  impl_->write_wanted = write;
  if (read) impl_->arm(false);
  if (write) impl_->arm(true);
}

} // namespace forebay::net
