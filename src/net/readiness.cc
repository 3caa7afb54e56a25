#include "net/readiness.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <sys/socket.h>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "net/loop.h"

namespace forebay::net {
namespace {

using executor = boost::asio::io_context::executor_type;
inline constexpr boost::asio::use_awaitable_t<executor> here{};

/// How soon a second waiter of one side looks again. TLS alone can have one, when it renews its keys.
constexpr std::chrono::milliseconds second_waiter_poll{10};

} // namespace

readiness::readiness(int fd) : home_(loop::current()), fd_(fd) {
  read_.of = write_.of = this;
  if (home_.sockets().add(fd_, *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) return;
  log::error("loop", "cannot watch a socket, which ends: {}", std::system_category().message(errno));
  ::shutdown(fd_, SHUT_RDWR);
}

readiness::~readiness() {
  home_.disarm(read_);
  home_.disarm(write_);
  forget();
}

void readiness::forget() noexcept {
  if (fd_ >= 0) home_.sockets().remove(std::exchange(fd_, -1), *this);
}

void readiness::one_side::expired() noexcept { complete(wait_end::timed_out); }

void readiness::one_side::abandoned() noexcept {
  const auto keep = of->shared_from_this(); // the waiter's frame may hold the last reference but this
  const handler forgotten = std::move(waiter);
  waiter = nullptr;
}

void readiness::one_side::complete(wait_end how) {
  if (!waiter) return;
  const auto keep = of->shared_from_this();
  of->home_.disarm(*this);
  handler taken = std::move(waiter);
  waiter = nullptr;
  std::move(taken)(how);
}

task<wait_end> readiness::wait(side which, deadline until) {
  const auto mine = shared_from_this();
  one_side& at = which == side::read ? mine->read_ : mine->write_;
  if (at.may) co_return wait_end::ready;
  if (until.passed()) co_return wait_end::timed_out;
  if (at.waiter) {
    co_await sleep_for(second_waiter_poll);
    co_return wait_end::ready; // to be tried again
  }
  const wait_end how =
      co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<executor>, void(wait_end)>(
          [](auto resumed, readiness* of, one_side* waiting, deadline end) {
            // Boost 1.81 assigns any_completion_handlers through its own template constructor, without end.
            handler taken(std::move(resumed));
            waiting->waiter.swap(taken);
            waiting->at = end.at;
            of->home_.arm(*waiting);
          },
          here, mine.get(), &at, until);
  co_return how;
}

task<wait_end> readiness::wait_listening(ready_listener& by, deadline until) {
  const auto mine = shared_from_this();
  mine->listener_ = &by;
  const wait_end how = co_await mine->wait(side::read, until);
  mine->listener_ = nullptr;
  co_return how;
}

void readiness::cancel() noexcept {
  listener_ = nullptr;
  for (one_side* each : {&read_, &write_}) {
    if (!each->waiter) continue;
    home_.disarm(*each);
    // Later: whoever cancels is in the middle of something of its own.
    home_.post([taken = std::move(each->waiter)]() mutable { std::move(taken)(wait_end::cancelled); });
    each->waiter = nullptr;
  }
}

void readiness::on_events(std::uint32_t events) noexcept {
  const auto keep = shared_from_this();
  constexpr std::uint32_t over = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & over) != 0) ended_ = true;
  if ((events & (EPOLLIN | over)) != 0) {
    read_.may = true;
    if (read_.waiter) {
      const bool served = listener_ != nullptr && listener_->on_readable();
      if (!served) read_.complete(wait_end::ready);
    }
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    write_.may = true;
    write_.complete(wait_end::ready);
  }
}

} // namespace forebay::net
