// Memory that a socket sends without copying it. For net/ alone.
#pragma once

#include <cstddef>
#include <span>
#include <sys/types.h>

namespace forebay::net {

/// A pipe through which pages of memory go to sockets by reference (vmsplice, splice): for pages of a memfd that costs
/// the kernel two thirds of what sendfile does, which looks each of them up in the file. Empty between calls. One for a
/// thread, made when it is first wanted.
class page_pipe {
public:
  /// That of this thread; null where the system does not let us have one.
  static page_pipe* of_this_thread() noexcept;
  ~page_pipe();
  page_pipe(const page_pipe&) = delete;
  page_pipe& operator=(const page_pipe&) = delete;

  /// Sends from the beginning of `bytes`, which must stay as they are until the peer has them, to a socket that does
  /// not block: how many bytes it took, -1 with errno as of `send`. -1 with ENOSYS: it does not work here, nor will it.
  ssize_t send(int socket, std::span<const std::byte> bytes, bool more) noexcept;

private:
  page_pipe() noexcept;
  void empty(std::size_t bytes) noexcept;

  static constexpr int wanted_bytes = 256 * 1024;
  int in_ = -1, out_ = -1, nowhere_ = -1;
  std::size_t capacity_bytes_ = 0; ///< 0: not to be used
};

} // namespace forebay::net
