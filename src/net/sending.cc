#include "net/sending.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "net/page_pipe.h"

namespace forebay::net {
namespace {

/// Pieces gathered into one sendmsg.
constexpr std::size_t gather_limit = 64;

ssize_t send_memory(tcp_socket& socket, const unsent& left, bool more) noexcept {
  std::array<iovec, gather_limit> parts;
  std::size_t count = 0, skip = left.skip_bytes;
  bool last = true;
  for (const slice& piece : left.pieces) {
    if (count == gather_limit || leaves_by_file(piece)) {
      last = false;
      break;
    }
    if (piece.bytes.size() > skip)
      parts[count++] = {const_cast<std::byte*>(piece.bytes.data()) + skip, piece.bytes.size() - skip};
    skip = 0;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  count_send();
  return ::sendmsg(socket.native_handle(), &message, MSG_NOSIGNAL | (more || !last ? MSG_MORE : 0));
}

ssize_t send_file(tcp_socket& socket, const unsent& left, bool more) noexcept {
  const slice& piece = left.pieces.front();
  if (page_pipe* const pages = page_pipe::of_this_thread(); pages != nullptr) {
    count_sendfile();
    const ssize_t sent =
        pages->send(socket.native_handle(), piece.bytes.subspan(left.skip_bytes), more || left.pieces.size() > 1);
    if (sent >= 0 || errno != ENOSYS) return sent;
  }
  auto at = static_cast<off_t>(piece.offset + left.skip_bytes);
  count_sendfile();
  return ::sendfile(socket.native_handle(), piece.fd, &at, piece.bytes.size() - left.skip_bytes);
}

} // namespace

void unsent::advance(std::size_t sent_bytes) noexcept {
  skip_bytes += sent_bytes;
  while (!pieces.empty() && skip_bytes >= pieces.front().bytes.size()) {
    skip_bytes -= pieces.front().bytes.size();
    pieces = pieces.subspan(1);
  }
}

std::size_t unsent::taken_of(std::span<const slice> whole) const noexcept {
  std::size_t taken_bytes = skip_bytes;
  for (const slice& each : whole.first(whole.size() - pieces.size())) taken_bytes += each.bytes.size();
  return taken_bytes;
}

send_step send_what_fits(tcp_socket& socket, unsent& left, bool more, error& failure) {
  for (left.advance(0); !left.empty();) {
    const bool by_file = leaves_by_file(left.pieces.front());
    const ssize_t sent = by_file ? send_file(socket, left, more) : send_memory(socket, left, more);
    if (sent < 0) {
      const int number = errno;
      if (number == EINTR) continue;
      if (would_block(number)) return send_step::full;
      failure = system_failure(number, by_file ? "sendfile" : "send");
      return send_step::failed;
    }
    // 0 means that the file is shorter than the slice says: a defect, and never to be padded.
    if (sent == 0) {
      failure = {error_kind::internal, "connection", "a slice reaches past its file"};
      return send_step::failed;
    }
    left.advance(static_cast<std::size_t>(sent));
  }
  return send_step::done;
}

} // namespace forebay::net
