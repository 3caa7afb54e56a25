#include "net/socket.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include "base/limit_counter.h"
#include "net/arrival.h"
#include "net/loop.h"
#include "net/queue_delay.h"
#include "net/slow_reader.h"

namespace forebay::net {
namespace {

/// How long a closed connection may still drain what the peer is sending, and how much of it.
constexpr std::chrono::milliseconds linger_time{2'000};
constexpr std::size_t linger_bytes = 256 * 1024;

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

result<void> outcome_of(wait_end how, std::string_view during) {
  if (how == wait_end::ready) return {};
  if (how == wait_end::cancelled) return fail(error_kind::cancelled, "connection", "closed");
  return fail(error_kind::timeout, "connection", std::string(during) + ": the deadline passed");
}

} // namespace

void set_slow_reader_bytes(std::uint64_t least) noexcept {
  least_taken_bytes.store(std::max<std::uint64_t>(least, 1), std::memory_order_relaxed);
}
std::uint64_t slow_reader_bytes() noexcept { return least_taken_bytes.load(std::memory_order_relaxed); }

error system_failure(int number, std::string_view during) {
  const bool gone = number == EPIPE || number == ECONNRESET || number == ENOTCONN;
  return {gone ? error_kind::cancelled : error_kind::broken, "connection",
          std::string(during) + ": " + std::system_category().message(number)};
}

ssize_t tcp_socket::read(std::span<std::byte> into) noexcept {
  for (;;) {
    count_read();
    const bool stamped = wants_arrivals();
    if (stamped != stamped_) stamp_arrivals(fd_, stamped_ = stamped);
    steady_time arrived{};
    const ssize_t got = stamped ? receive_stamped(fd_, into, arrived) : ::recv(fd_, into.data(), into.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0) arrived_ = arrived;
    const bool dry = got < 0 ? would_block(errno) : static_cast<std::size_t>(got) < into.size();
    if (dry && got != 0) ready_->note_empty();
    return got;
  }
}

void tcp_socket::close() noexcept {
  if (fd_ < 0) return;
  ready_->cancel();
  ready_->forget();
  ready_.reset();
  ::close(std::exchange(fd_, -1));
}

task<result<void>> wait_readable(tcp_socket& socket, deadline until) {
  socket.ready().note_empty();
  const wait_end how = co_await socket.ready().wait(readiness::side::read, until);
  co_return outcome_of(how, "read");
}

/// The socket counts as writable only once a third of its queue is free, which can be a megabyte: a reader that took
/// less than that within the limit moves all the same and is waited for on.
task<result<void>> wait_writable(tcp_socket& socket, std::chrono::milliseconds stall) {
  socket.ready().note_full();
  socket.forget_arrival();
  for (;;) {
    const int before = queued_bytes(socket);
    const wait_end how = co_await socket.ready().wait(readiness::side::write, deadline::after(stall));
    if (how != wait_end::timed_out || !socket.is_open()) co_return outcome_of(how, "send");
    const int after = queued_bytes(socket);
    const std::uint64_t taken = after < before ? static_cast<std::uint64_t>(before - after) : 0;
    if (taken < slow_reader_bytes()) co_return too_slow(taken > 0);
  }
}

task<void> drain(tcp_socket socket) {
  const auto until = deadline::after(linger_time);
  std::array<std::byte, 4096> sink;
  std::size_t taken = 0;
  while (taken < linger_bytes && !until.passed()) {
    const ssize_t got = socket.read(sink);
    if (got > 0) {
      taken += static_cast<std::size_t>(got);
      continue;
    }
    const bool dry = got < 0 && would_block(errno);
    if (!dry) break;
    const auto waited = co_await wait_readable(socket, until);
    if (!waited) break;
  }
}

void close_gently(tcp_socket socket) noexcept {
  socket.ready().cancel();
  ::shutdown(socket.native_handle(), SHUT_WR);
  loop::current().spawn(drain(std::move(socket)));
}

void reset(tcp_socket& socket) noexcept {
  if (!socket.is_open()) return;
  const linger hard{1, 0};
  ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  socket.close();
}

bool at_end(tcp_socket& socket) noexcept {
  char byte;
  const ssize_t seen = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return seen == 0 || (seen < 0 && !would_block(errno) && errno != EINTR);
}

void count_read() noexcept { read_calls.fetch_add(1, std::memory_order_relaxed); }
void count_send() noexcept { send_calls.fetch_add(1, std::memory_order_relaxed); }
void count_sendfile() noexcept { sendfile_calls.fetch_add(1, std::memory_order_relaxed); }

stream_counts counts() noexcept {
  return {read_calls.load(std::memory_order_relaxed), send_calls.load(std::memory_order_relaxed),
          sendfile_calls.load(std::memory_order_relaxed)};
}

} // namespace forebay::net
