#include "net/socket.h"

#include <array>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/limit_counter.h"
#include "net/loop.h"
#include "net/slow_reader.h"

namespace forebay::net {
namespace {

inline constexpr boost::asio::use_awaitable_t<boost::asio::io_context::executor_type> here{};

/// How long a closed connection may still drain what the peer is sending, and how much of it.
constexpr std::chrono::milliseconds linger_time{2'000};
constexpr std::size_t linger_bytes = 256 * 1024;
/// Pieces gathered into one sendmsg.
constexpr std::size_t gather_limit = 32;

std::atomic<std::uint64_t> read_calls{0}, send_calls{0}, sendfile_calls{0};
std::atomic<std::uint64_t> least_taken_bytes{1};

/// A connection that is given up because its reader is slow.
tl::unexpected<error> too_slow(bool moved) {
  static auto& still = metrics::refused_by("send_stall");
  static auto& slow = metrics::refused_by("slow_reader");
  (moved ? slow : still).add();
  return fail(error_kind::timeout, "connection",
              moved ? "the reader took too few bytes within the limit" : "the reader took no byte within the limit");
}

/// Bytes sent that the peer's kernel has not acknowledged.
int queued_bytes(tcp_socket& socket) noexcept {
  int queued = 0;
  return ::ioctl(socket.native_handle(), SIOCOUTQ, &queued) == 0 ? queued : 0;
}

task<result<void>> wait_for(tcp_socket& socket, tcp_socket::wait_type what, deadline until, std::string_view during) {
  wait_guard guard(until);
  boost::system::error_code failed;
  co_await socket.async_wait(
      what, boost::asio::redirect_error(boost::asio::bind_cancellation_slot(guard.slot(), here), failed));
  if (!failed) co_return result<void>{};
  if (guard.passed()) co_return fail(error_kind::timeout, "connection", std::string(during) + ": the deadline passed");
  co_return fail(system_failure(failed.value(), during));
}

} // namespace

wait_guard::wait_guard(deadline until) {
  at = until.at;
  loop::current().arm(*this);
}
wait_guard::~wait_guard() { loop::current().disarm(*this); }
void wait_guard::expired() noexcept {
  passed_ = true;
  ending_.emit(boost::asio::cancellation_type::all);
}

void set_slow_reader_bytes(std::uint64_t least) noexcept {
  least_taken_bytes.store(std::max<std::uint64_t>(least, 1), std::memory_order_relaxed);
}
std::uint64_t slow_reader_bytes() noexcept { return least_taken_bytes.load(std::memory_order_relaxed); }

error system_failure(int number, std::string_view during) {
  const bool gone = number == EPIPE || number == ECONNRESET || number == ENOTCONN;
  return {gone ? error_kind::cancelled : error_kind::broken, "connection",
          std::string(during) + ": " + std::system_category().message(number)};
}

task<result<void>> wait_readable(tcp_socket& socket, deadline until) {
  auto waited = co_await wait_for(socket, tcp_socket::wait_read, until, "read");
  co_return waited;
}

/// The socket counts as writable only once a third of its queue is free, which can be a megabyte: a reader that took
/// less than that within the limit moves all the same and is waited for on.
task<result<void>> wait_writable(tcp_socket& socket, std::chrono::milliseconds stall) {
  for (;;) {
    const int before = queued_bytes(socket);
    auto waited = co_await wait_for(socket, tcp_socket::wait_write, deadline::after(stall), "send");
    if (waited || waited.error().kind != error_kind::timeout) co_return waited;
    const int after = queued_bytes(socket);
    const std::uint64_t taken = after < before ? static_cast<std::uint64_t>(before - after) : 0;
    if (taken < slow_reader_bytes()) co_return too_slow(taken > 0);
  }
}

namespace {

/// One round of `send_all`: at most `gather_limit` pieces.
task<result<void>> send_gathered(tcp_socket& socket, std::span<const slice> pieces, bool more,
                                 std::chrono::milliseconds stall) {
  std::array<iovec, gather_limit> parts;
  std::size_t count = 0;
  for (const slice& piece : pieces) {
    if (piece.empty()) continue;
    parts[count++] = {const_cast<std::byte*>(piece.bytes.data()), piece.bytes.size()};
  }
  std::size_t first = 0;
  while (first < count) {
    msghdr message{};
    message.msg_iov = &parts[first];
    message.msg_iovlen = count - first;
    count_send();
    const ssize_t sent = ::sendmsg(socket.native_handle(), &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (sent < 0) {
      const int number = errno;
      if (number == EINTR) continue;
      if (number != EAGAIN && number != EWOULDBLOCK) co_return fail(system_failure(number, "send"));
      auto waited = co_await wait_writable(socket, stall);
      if (!waited) co_return waited;
      continue;
    }
    auto left = static_cast<std::size_t>(sent);
    while (first < count && left >= parts[first].iov_len) left -= parts[first++].iov_len;
    if (first < count) {
      parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + left;
      parts[first].iov_len -= left;
    }
  }
  co_return result<void>{};
}

} // namespace

task<result<void>> send_all(tcp_socket& socket, std::span<const slice> pieces, bool more,
                            std::chrono::milliseconds stall) {
  while (!pieces.empty()) {
    const auto now = pieces.first(std::min(pieces.size(), gather_limit));
    pieces = pieces.subspan(now.size());
    auto sent = co_await send_gathered(socket, now, more || !pieces.empty(), stall);
    if (!sent) co_return sent;
  }
  co_return result<void>{};
}

task<void> drain(tcp_socket socket) {
  wait_guard guard(deadline::after(linger_time));
  std::array<std::byte, 4096> sink;
  std::size_t taken = 0;
  while (taken < linger_bytes) {
    boost::system::error_code failed;
    const std::size_t count = co_await socket.async_read_some(
        boost::asio::buffer(sink),
        boost::asio::redirect_error(boost::asio::bind_cancellation_slot(guard.slot(), here), failed));
    const bool over = failed || count == 0 || guard.passed();
    if (over) break;
    taken += count;
  }
}

void close_gently(tcp_socket socket) noexcept {
  ::shutdown(socket.native_handle(), SHUT_WR);
  loop::current().spawn(drain(std::move(socket)));
}

void reset(tcp_socket& socket) noexcept {
  if (!socket.is_open()) return;
  const linger hard{1, 0};
  ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  boost::system::error_code ignored;
  socket.close(ignored);
}

bool at_end(tcp_socket& socket) noexcept {
  char byte;
  const ssize_t seen = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return seen == 0 || (seen < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void count_read() noexcept { read_calls.fetch_add(1, std::memory_order_relaxed); }
void count_send() noexcept { send_calls.fetch_add(1, std::memory_order_relaxed); }
void count_sendfile() noexcept { sendfile_calls.fetch_add(1, std::memory_order_relaxed); }

stream_counts counts() noexcept {
  return {read_calls.load(std::memory_order_relaxed), send_calls.load(std::memory_order_relaxed),
          sendfile_calls.load(std::memory_order_relaxed)};
}

} // namespace forebay::net
