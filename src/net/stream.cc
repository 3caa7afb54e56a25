#include "net/stream.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "net/loop.h"
#include "net/socket.h"
#include "net/tcp_stream.h"

namespace forebay::net {
namespace {

inline constexpr boost::asio::use_awaitable_t<boost::asio::io_context::executor_type> here{};

class tcp_stream final : public stream {
public:
  tcp_stream(tcp_socket socket, endpoint peer, endpoint local)
      : socket_(std::move(socket)), peer_(peer), local_(local) {}

  task<result<std::size_t>> read_some(std::span<std::byte> into, deadline until) override {
    wait_guard guard(until);
    boost::system::error_code failed;
    count_read();
    const std::size_t count = co_await socket_.async_read_some(
        boost::asio::buffer(into.data(), into.size()),
        boost::asio::redirect_error(boost::asio::bind_cancellation_slot(guard.slot(), here), failed));
    if (!failed) co_return count;
    if (failed == boost::asio::error::eof) co_return std::size_t{0};
    if (guard.passed()) co_return fail(error_kind::timeout, "connection", "nothing came before the deadline");
    co_return fail(system_failure(failed.value(), "read"));
  }

  task<result<void>> send(std::span<const slice> pieces, bool more, std::chrono::milliseconds stall) override {
    // Empty pieces at the end must not let the last bytes wait for more.
    while (!pieces.empty() && pieces.back().empty()) pieces = pieces.first(pieces.size() - 1);
    if (pieces.empty() && !more) uncork();
    corked_ = more;
    while (!pieces.empty()) {
      result<void> sent;
      if (leaves_by_file(pieces.front())) {
        sent = co_await send_file(pieces.front(), stall);
        pieces = pieces.subspan(1);
      } else {
        const auto end = std::find_if(pieces.begin(), pieces.end(), leaves_by_file);
        const auto run = pieces.first(static_cast<std::size_t>(end - pieces.begin()));
        pieces = pieces.subspan(run.size());
        sent = co_await send_all(socket_, run, more || !pieces.empty(), stall);
      }
      if (!sent) co_return sent;
    }
    co_return result<void>{};
  }

  void close() noexcept override {
    if (socket_.is_open()) close_gently(std::move(socket_));
  }
  void abort() noexcept override { reset(socket_); }
  bool peer_closed() noexcept override { return !socket_.is_open() || at_end(socket_); }

  tcp_socket& socket() noexcept { return socket_; }
  const endpoint& peer() const noexcept override { return peer_; }
  const endpoint& local() const noexcept override { return local_; }

private:
  static bool leaves_by_file(const slice& piece) noexcept {
    return piece.fd >= 0 && piece.bytes.size() >= sendfile_threshold_bytes;
  }

  /// A send that promised more is followed by nothing: what the kernel holds back goes now.
  void uncork() noexcept {
    const int on = 1;
    if (corked_) ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  task<result<void>> send_file(slice piece, std::chrono::milliseconds stall) {
    auto at = static_cast<off_t>(piece.offset);
    std::size_t left = piece.bytes.size();
    while (left > 0) {
      count_sendfile();
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
      auto waited = co_await wait_writable(socket_, stall);
      if (!waited) co_return waited;
    }
    co_return result<void>{};
  }

  tcp_socket socket_;
  endpoint peer_, local_;
  bool corked_ = false; ///< the last send promised more
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

std::optional<tcp_socket> take_socket(stream& from) noexcept {
  auto* const plain = dynamic_cast<tcp_stream*>(&from);
  if (plain == nullptr || !plain->socket().is_open()) return std::nullopt;
  return std::move(plain->socket());
}

} // namespace forebay::net
