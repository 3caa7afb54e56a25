#include "net/stream.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/loop.h"
#include "net/sending.h"
#include "net/tcp_stream.h"

namespace forebay::net {
namespace {

class tcp_stream final : public stream {
public:
  tcp_stream(int fd, endpoint peer, endpoint local) : socket_(fd), peer_(peer), local_(local) {}

  task<result<std::size_t>> read_some(std::span<std::byte> into, deadline until) override {
    for (;;) {
      if (!socket_.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      if (socket_.ready().may_read()) {
        const ssize_t got = socket_.read(into);
        if (got >= 0) co_return static_cast<std::size_t>(got);
        if (!would_block(errno)) co_return fail(system_failure(errno, "read"));
      }
      const wait_end how = co_await socket_.ready().wait(readiness::side::read, until);
      if (how != wait_end::ready) co_return fail(unread(how));
    }
  }

  task<result<std::size_t>> read_idle(std::span<std::byte> into, deadline until, idle_taker& by) override {
    listening heard(socket_, into, by);
    for (;;) {
      if (!socket_.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      const bool dry = !socket_.ready().may_read() || heard.on_readable();
      if (dry) {
        const wait_end how = co_await socket_.ready().wait_listening(heard, until);
        if (how != wait_end::ready) co_return fail(unread(how));
      }
      if (heard.got == listening::turn_over) {
        heard.got = listening::nothing;
        co_await yield();
      }
      if (heard.got != listening::nothing) break;
    }
    if (heard.got >= 0) co_return static_cast<std::size_t>(heard.got);
    co_return fail(system_failure(heard.number, "read"));
  }

  task<result<void>> send(std::span<const slice> pieces, bool more, std::chrono::milliseconds stall) override {
    unsent left{pieces};
    // Empty pieces at the end must not let the last bytes wait for more.
    while (!left.pieces.empty() && left.pieces.back().empty()) left.pieces = left.pieces.first(left.pieces.size() - 1);
    if (left.empty() && !more) uncork();
    corked_ = more;
    for (;;) {
      if (!socket_.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      error failure;
      const send_step step = send_what_fits(socket_, left, more, failure);
      if (step == send_step::done) co_return result<void>{};
      if (step == send_step::failed) co_return fail(std::move(failure));
      auto waited = co_await wait_writable(socket_, stall);
      if (!waited) co_return waited;
    }
  }

  std::size_t send_now(std::span<const slice> pieces) noexcept override {
    unsent left{pieces};
    error failure; // who sends the rest will meet it, too
    send_what_fits(socket_, left, false, failure);
    return left.taken_of(pieces);
  }

  void close() noexcept override {
    if (socket_.is_open()) close_gently(std::move(socket_));
  }
  void abort() noexcept override { reset(socket_); }
  bool peer_closed() noexcept override { return !socket_.is_open() || at_end(socket_); }
  steady_time arrived() const noexcept override { return socket_.arrived(); }

  tcp_socket& socket() noexcept { return socket_; }
  const endpoint& peer() const noexcept override { return peer_; }
  const endpoint& local() const noexcept override { return local_; }

private:
  /// Reads for whoever takes bytes while the connection is idle.
  struct listening final : ready_listener {
    listening(tcp_socket& from, std::span<std::byte> place, idle_taker& taker) : socket(from), into(place), by(taker) {}
    /// True: nothing is there any more that the coroutine should look at.
    bool on_readable() noexcept override {
      // A client that sends without end must not keep the loop: the coroutine lets others run.
      for (unsigned reads = 0; reads < reads_at_once; ++reads) {
        got = socket.read(into);
        number = got < 0 ? errno : 0;
        const bool for_coroutine =
            got == 0 || (number != 0 && !would_block(number)) || (got > 0 && !by.take(static_cast<std::size_t>(got)));
        if (for_coroutine) return false;
        got = nothing;
        if (!socket.ready().may_read()) return true;
      }
      got = turn_over;
      return false;
    }

    static constexpr unsigned reads_at_once = 4;
    static constexpr ssize_t nothing = -2, turn_over = -3;
    tcp_socket& socket;
    std::span<std::byte> into;
    idle_taker& by;
    ssize_t got = nothing;
    int number = 0;
  };

  static error unread(wait_end how) {
    if (how == wait_end::cancelled) return {error_kind::cancelled, "connection", "closed"};
    return {error_kind::timeout, "connection", "nothing came before the deadline"};
  }

  /// A send that promised more is followed by nothing: what the kernel holds back goes now.
  void uncork() noexcept {
    const int on = 1;
    if (corked_) ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  tcp_socket socket_;
  endpoint peer_, local_;
  bool corked_ = false; ///< the last send promised more
};

} // namespace

task<result<std::size_t>> stream::read_idle(std::span<std::byte> into, deadline until, idle_taker& by) {
  for (;;) {
    auto got = co_await read_some(into, until);
    const bool dealt_with = got && *got > 0 && by.take(*got);
    if (!dealt_with) co_return got;
  }
}

std::size_t stream::send_now(std::span<const slice>) noexcept { return 0; }

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

accepted_socket::~accepted_socket() {
  if (fd_ >= 0) ::close(fd_);
}

std::unique_ptr<stream> accepted_socket::adopt() && {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &size);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return std::make_unique<tcp_stream>(std::exchange(fd_, -1), peer_, endpoint_of(local));
}

std::optional<tcp_socket> take_socket(stream& from) noexcept {
  auto* const plain = dynamic_cast<tcp_stream*>(&from);
  if (plain == nullptr || !plain->socket().is_open()) return std::nullopt;
  return std::move(plain->socket());
}

} // namespace forebay::net
