#include "net/stream.h"

#include <array>
#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/loop.h"
#include "net/tcp_stream.h"

namespace forebay::net {
namespace {

using executor = boost::asio::io_context::executor_type;
using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, executor>;
inline constexpr boost::asio::use_awaitable_t<executor> here{};

/// How long a closed connection may still drain what the peer is sending, and how much of it.
constexpr std::chrono::milliseconds linger_time{2'000};
constexpr std::size_t linger_bytes = 256 * 1024;
/// Pieces gathered into one sendmsg.
constexpr std::size_t gather_limit = 32;

std::atomic<std::uint64_t> read_calls{0}, send_calls{0}, sendfile_calls{0};

error system_failure(int number, std::string_view during) {
  const bool gone = number == EPIPE || number == ECONNRESET || number == ENOTCONN;
  return {gone ? error_kind::cancelled : error_kind::broken, "connection",
          std::string(during) + ": " + std::system_category().message(number)};
}

/// Cancels the socket's waits when the moment passes.
class socket_deadline final : public timed_wait {
public:
  socket_deadline(tcp_socket& socket, steady_time until) : socket_(socket) {
    at = until;
    loop::current().arm(*this);
  }
  ~socket_deadline() override { loop::current().disarm(*this); }
  void expired() noexcept override {
    passed = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
  bool passed = false;

private:
  tcp_socket& socket_;
};

/// Reads away what the peer still sends, so that its last bytes do not turn our answer into a reset
/// (RFC 9112 §9.6).
task<void> drain_and_close(tcp_socket socket) {
  socket_deadline guard(socket, deadline::after(linger_time).at);
  std::array<std::byte, 4096> sink;
  std::size_t taken = 0;
  while (taken < linger_bytes) {
    boost::system::error_code failed;
    const std::size_t count =
        co_await socket.async_read_some(boost::asio::buffer(sink), boost::asio::redirect_error(here, failed));
    if (failed || count == 0) break;
    taken += count;
  }
}

class tcp_stream final : public stream {
public:
  tcp_stream(tcp_socket socket, endpoint peer, endpoint local)
      : socket_(std::move(socket)), peer_(peer), local_(local) {}

  task<result<std::size_t>> read_some(std::span<std::byte> into, deadline until) override {
    socket_deadline guard(socket_, until.at);
    boost::system::error_code failed;
    read_calls.fetch_add(1, std::memory_order_relaxed);
    const std::size_t count = co_await socket_.async_read_some(boost::asio::buffer(into.data(), into.size()),
                                                               boost::asio::redirect_error(here, failed));
    if (!failed) co_return count;
    if (failed == boost::asio::error::eof) co_return std::size_t{0};
    if (guard.passed) co_return fail(error_kind::timeout, "connection", "nothing came before the deadline");
    co_return fail(system_failure(failed.value(), "read"));
  }

  task<result<void>> send(std::span<const slice> pieces, bool more, std::chrono::milliseconds stall) override {
    std::size_t at = 0;
    while (at < pieces.size()) {
      result<void> sent;
      if (leaves_by_file(pieces[at])) {
        sent = co_await send_file(pieces[at], stall);
        ++at;
      } else {
        std::size_t until = at;
        while (until < pieces.size() && until - at < gather_limit && !leaves_by_file(pieces[until])) ++until;
        const bool goes_on = more || until < pieces.size();
        sent = co_await send_gathered(pieces.subspan(at, until - at), goes_on, stall);
        at = until;
      }
      if (!sent) co_return sent;
    }
    co_return result<void>{};
  }

  void close() noexcept override {
    if (!socket_.is_open()) return;
    ::shutdown(socket_.native_handle(), SHUT_WR);
    loop::current().spawn(drain_and_close(std::move(socket_)));
  }

  void abort() noexcept override {
    if (!socket_.is_open()) return;
    const linger reset{1, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  bool peer_closed() noexcept override {
    if (!socket_.is_open()) return true;
    char byte;
    const ssize_t seen = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return seen == 0 || (seen < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }

  const endpoint& peer() const noexcept override { return peer_; }
  const endpoint& local() const noexcept override { return local_; }

private:
  static bool leaves_by_file(const slice& piece) noexcept {
    return piece.fd >= 0 && piece.bytes.size() >= sendfile_threshold_bytes;
  }

  /// Bytes sent that the peer's kernel has not acknowledged.
  int queued_bytes() noexcept {
    int queued = 0;
    return ::ioctl(socket_.native_handle(), SIOCOUTQ, &queued) == 0 ? queued : 0;
  }

  /// The socket counts as writable only once a third of its queue is free, which can be a megabyte: a reader that took
  /// less than that within the limit moves all the same and is waited for on.
  task<result<void>> wait_writable(std::chrono::milliseconds stall) {
    for (;;) {
      const int before = queued_bytes();
      boost::system::error_code failed;
      bool passed;
      {
        socket_deadline guard(socket_, deadline::after(stall).at);
        co_await socket_.async_wait(tcp_socket::wait_write, boost::asio::redirect_error(here, failed));
        passed = guard.passed;
      }
      if (!failed) co_return result<void>{};
      if (!passed) co_return fail(system_failure(failed.value(), "wait to send"));
      if (queued_bytes() >= before) {
        co_return fail(error_kind::timeout, "connection", "the reader took no byte within the limit");
      }
    }
  }

  task<result<void>> send_gathered(std::span<const slice> pieces, bool more, std::chrono::milliseconds stall) {
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
      send_calls.fetch_add(1, std::memory_order_relaxed);
      const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
      if (sent < 0) {
        const int number = errno;
        if (number == EINTR) continue;
        if (number != EAGAIN && number != EWOULDBLOCK) co_return fail(system_failure(number, "send"));
        auto waited = co_await wait_writable(stall);
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

  task<result<void>> send_file(slice piece, std::chrono::milliseconds stall) {
    auto at = static_cast<off_t>(piece.offset);
    std::size_t left = piece.bytes.size();
    while (left > 0) {
      sendfile_calls.fetch_add(1, std::memory_order_relaxed);
      const ssize_t sent = ::sendfile(socket_.native_handle(), piece.fd, &at, left);
      if (sent > 0) {
        left -= static_cast<std::size_t>(sent);
        continue;
      }
      // 0 means that the file is shorter than the slice says: a defect, and never to be padded.
      if (sent == 0) co_return fail(error_kind::internal, "connection", "a slice reaches past its file");
      const int number = errno;
      if (number == EINTR) continue;
      if (number != EAGAIN && number != EWOULDBLOCK) co_return fail(system_failure(number, "sendfile"));
      auto waited = co_await wait_writable(stall);
      if (!waited) co_return waited;
    }
    co_return result<void>{};
  }

  tcp_socket socket_;
  endpoint peer_, local_;
};

} // namespace

endpoint endpoint_of(const sockaddr_storage& address) noexcept {
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return {ip_address::from_v4(bytes), ntohs(v4.sin_port)};
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof v6);
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return {ip_address::from_v6(bytes), ntohs(v6.sin6_port)};
}

std::unique_ptr<stream> adopt_tcp(int fd) {
  sockaddr_storage peer{}, local{};
  socklen_t peer_size = sizeof peer, local_size = sizeof local;
  ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &local_size);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto protocol = peer.ss_family == AF_INET ? boost::asio::ip::tcp::v4() : boost::asio::ip::tcp::v6();
  tcp_socket socket(loop::current().context(), protocol, fd);
  socket.native_non_blocking(true); // sendmsg and sendfile are called on it directly
  return std::make_unique<tcp_stream>(std::move(socket), endpoint_of(peer), endpoint_of(local));
}

stream_counts counts() noexcept {
  return {read_calls.load(std::memory_order_relaxed), send_calls.load(std::memory_order_relaxed),
          sendfile_calls.load(std::memory_order_relaxed)};
}

} // namespace forebay::net
