// A connected socket and the ways to wait for it: what plain and TLS streams share. For net/ alone.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <span>

#include "net/stream.h"

namespace forebay::net {

using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

/// Ends one wait when the moment passes, and no other wait of the same socket: a read and a send may go on at once.
class wait_guard final : public timed_wait {
public:
  explicit wait_guard(deadline until);
  ~wait_guard() override;
  void expired() noexcept override;
  boost::asio::cancellation_slot slot() noexcept { return ending_.slot(); }
  bool passed() const noexcept { return passed_; }

private:
  boost::asio::cancellation_signal ending_;
  bool passed_ = false;
};

/// What went wrong in a system call on a connection: `cancelled` where the peer has gone.
error system_failure(int number, std::string_view during);

/// Returns once the socket has something to read (or has ended).
task<result<void>> wait_readable(tcp_socket& socket, deadline until);
/// Returns once the socket takes more. A reader that moves is waited for, however slow; `timeout` after `stall` without
/// a byte.
task<result<void>> wait_writable(tcp_socket& socket, std::chrono::milliseconds stall);
/// Sends `left` bytes of memory in order with as few calls as it takes; `more` as in `stream::send`.
task<result<void>> send_all(tcp_socket& socket, std::span<const slice> pieces, bool more,
                            std::chrono::milliseconds stall);
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

/// Takes the socket out of a stream that `adopt_tcp` made; nothing for another kind of stream.
std::optional<tcp_socket> take_socket(stream& from) noexcept;

} // namespace forebay::net
