#include "net/page_pipe.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace forebay::net {

page_pipe::page_pipe() noexcept {
  std::array<int, 2> ends{-1, -1};
  nowhere_ = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere_ < 0 || ::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return;
  out_ = ends[0];
  in_ = ends[1];
  // More than it has by itself, where the user's limit of pipes' pages lets us.
  ::fcntl(in_, F_SETPIPE_SZ, wanted_bytes);
  const int given = ::fcntl(in_, F_GETPIPE_SZ);
  if (given > 0) capacity_bytes_ = static_cast<std::size_t>(given);
}

page_pipe::~page_pipe() {
  for (const int each : {in_, out_, nowhere_}) {
    if (each >= 0) ::close(each);
  }
}

page_pipe* page_pipe::of_this_thread() noexcept {
  thread_local page_pipe mine;
  return mine.capacity_bytes_ > 0 ? &mine : nullptr;
}

ssize_t page_pipe::send(int socket, std::span<const std::byte> bytes, bool more) noexcept {
  const iovec pages{const_cast<std::byte*>(bytes.data()), std::min(bytes.size(), capacity_bytes_)};
  const ssize_t held = ::vmsplice(in_, &pages, 1, SPLICE_F_NONBLOCK);
  if (held <= 0) {
    capacity_bytes_ = 0; // a sandbox forbids it, say
    errno = ENOSYS;
    return -1;
  }
  const bool rest = more || static_cast<std::size_t>(held) < bytes.size();
  const ssize_t sent = ::splice(out_, nullptr, socket, nullptr, static_cast<std::size_t>(held),
                                SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (rest ? SPLICE_F_MORE : 0));
  if (sent == held) return sent;
  const int number = errno;
  empty(static_cast<std::size_t>(held - std::max<ssize_t>(sent, 0)));
  const bool unfit = sent < 0 && number == EINVAL; // a socket that takes no pages
  if (unfit) capacity_bytes_ = 0;
  errno = unfit ? ENOSYS : number;
  return sent;
}

/// What the socket did not take goes nowhere: the next call begins with pages of its own.
void page_pipe::empty(std::size_t bytes) noexcept {
  while (bytes > 0) {
    const ssize_t gone = ::splice(out_, nullptr, nowhere_, nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (gone <= 0) {
      capacity_bytes_ = 0; // bytes of one reader must not reach another
      return;
    }
    bytes -= static_cast<std::size_t>(gone);
  }
}

} // namespace forebay::net
