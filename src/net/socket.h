// A connected socket and the ways to wait for it: what plain and TLS streams share. For net/ alone.
#pragma once

#include <cerrno>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "net/readiness.h"
#include "net/stream.h"

namespace forebay::net {

/// Owns a non-blocking TCP socket on the loop where it was made. Movable; loop thread only.
class tcp_socket {
public:
  tcp_socket() = default; ///< closed
  explicit tcp_socket(int fd) : fd_(fd), ready_(std::make_shared<readiness>(fd)) {}
  tcp_socket(tcp_socket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        ready_(std::exchange(other.ready_, nullptr)),
        stamped_(other.stamped_),
        arrived_(other.arrived_) {}
  tcp_socket& operator=(tcp_socket&&) = delete;
  ~tcp_socket() { close(); }

  bool is_open() const noexcept { return fd_ >= 0; }
  int native_handle() const noexcept { return fd_; }
  readiness& ready() const noexcept { return *ready_; }
  /// Reads as `recv`, and remembers whether there may be more; -1 with errno.
  ssize_t read(std::span<std::byte> into) noexcept;
  /// When the last bytes read had come, while the loop wants to know (`wants_arrivals`); zero: not known.
  steady_time arrived() const noexcept { return arrived_; }
  /// What has been read waits for its own reader from now on, and not for us.
  void forget_arrival() noexcept { arrived_ = {}; }
  /// Waits for it end as `cancelled`.
  void close() noexcept;

private:
  int fd_ = -1;
  std::shared_ptr<readiness> ready_; ///< null: closed, or moved away
  bool stamped_ = false;             ///< the kernel stamps what comes
  steady_time arrived_{};
};

/// Whether a call that failed so would have had to wait.
inline bool would_block(int number) noexcept { return number == EAGAIN || number == EWOULDBLOCK; }
/// What went wrong in a system call on a connection: `cancelled` where the peer has gone.
error system_failure(int number, std::string_view during);

/// After a call said that there is nothing: returns once there is (or the end).
task<result<void>> wait_readable(tcp_socket& socket, deadline until);
/// After a call said that there is no room: returns once there is. A reader that moves is waited for, however slow;
/// `timeout` after `stall` without a byte.
task<result<void>> wait_writable(tcp_socket& socket, std::chrono::milliseconds stall);
/// Ends our side, reads away what the peer still sends for a while, and lets go (RFC 9112 §9.6).
void close_gently(tcp_socket socket) noexcept;
/// Reads away what the peer still sends, for a while and not without end.
task<void> drain(tcp_socket socket);
/// Breaks the connection with a reset.
void reset(tcp_socket& socket) noexcept;
/// The peer has ended its side and nothing is left to be read.
bool at_end(tcp_socket& socket) noexcept;

/// Counts system calls (`counts`).
void count_read() noexcept;
void count_send() noexcept;
void count_sendfile() noexcept;

/// Takes the socket out of a stream that is one in cleartext; nothing for another kind of stream.
std::optional<tcp_socket> take_socket(stream& from) noexcept;

} // namespace forebay::net
