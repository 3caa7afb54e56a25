// Pieces on their way into a socket. For net/ alone.
#pragma once

#include <span>

#include "net/slice.h"
#include "net/socket.h"

namespace forebay::net {

/// What is left of a run of pieces.
struct unsent {
  std::span<const slice> pieces;
  std::size_t skip_bytes = 0; ///< of the first piece: gone already

  bool empty() const noexcept { return pieces.empty(); }
  void advance(std::size_t sent_bytes) noexcept;                     ///< past empty pieces, too
  std::size_t taken_of(std::span<const slice> whole) const noexcept; ///< bytes of `whole`, of which this is the end
};

/// Whether a piece leaves by sendfile.
inline bool leaves_by_file(const slice& piece) noexcept {
  return piece.fd >= 0 && piece.bytes.size() >= sendfile_threshold_bytes;
}

enum class send_step { done, full, failed };

/// Sends as much as the kernel takes at once, in as few calls as the pieces allow: runs of memory by sendmsg, files by
/// sendfile. `more` promises another send. `failed`: see `failure`.
send_step send_what_fits(tcp_socket& socket, unsent& left, bool more, error& failure);

} // namespace forebay::net
