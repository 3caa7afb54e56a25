// The floor of a hit: what the kernel charges for a request and an answer over a kept connection. Reads whatever a
// client sends, counts the ends of header blocks, and sends the same bytes for each: no parsing, no choice, no clock.
//
//   forebay_floor PORT BYTES        one thread; ends with the terminal's interrupt or a termination
//
// Small bodies leave with their head in one `send`; from 64 KiB on the head is sent with MSG_MORE and the body by
// `sendfile` out of a memfd, as caches do it.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <vector>

#include "floor.h"

namespace {

using namespace floor_of_a_hit;

constexpr std::size_t read_bytes = 16 * 1024;
constexpr int events_at_once = 256;

/// One connection: how many answers it is owed, and how far the present one is.
struct connection {
  int fd = -1;
  std::size_t owed = 0, sent = 0;
  unsigned matched = 0; ///< of the four bytes that end a header block
};

class server {
public:
  server(std::uint16_t port, std::size_t bytes) : answer_(make_answer(bytes)) {
    listening_ = listen_on(port, SOCK_NONBLOCK);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, listening_, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, events_at_once> events;
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), events_at_once, -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listening_) {
          accept_all();
        } else {
          serve(connections_[static_cast<std::size_t>(fd)]);
        }
      }
    }
  }

private:
  void watch(int operation, int fd, std::uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, operation, fd, &event) != 0) give_up("epoll_ctl");
  }

  void accept_all() {
    for (int fd; (fd = ::accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (connections_.size() <= static_cast<std::size_t>(fd)) connections_.resize(static_cast<std::size_t>(fd) + 1);
      connections_[static_cast<std::size_t>(fd)] = {fd, 0, 0, 0};
      watch(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLET);
    }
  }

  void serve(connection& of) {
    if (!read_requests(of) || !send_answers(of)) ::close(of.fd);
  }

  /// Until there is nothing more to read; a read that fills less than its buffer was the last.
  static bool read_requests(connection& of) {
    static char buffer[read_bytes];
    for (;;) {
      const ssize_t got = ::recv(of.fd, buffer, sizeof buffer, 0);
      if (got == 0) return false;
      if (got < 0) return errno == EAGAIN;
      of.owed += count_ends({buffer, static_cast<std::size_t>(got)}, of.matched);
      if (static_cast<std::size_t>(got) < sizeof buffer) return true;
    }
  }

  bool send_answers(connection& of) {
    while (of.owed > 0) {
      const ssize_t put = answer_.file < 0 ? send_small(of) : send_large(of);
      if (put < 0) return errno == EAGAIN;
      of.sent += static_cast<std::size_t>(put);
      if (of.sent < answer_.head.size() + answer_.body_bytes) continue;
      of.sent = 0;
      --of.owed;
    }
    return true;
  }

  ssize_t send_small(const connection& of) const {
    return ::send(of.fd, answer_.small.data() + of.sent, answer_.small.size() - of.sent, MSG_NOSIGNAL);
  }

  ssize_t send_large(const connection& of) const {
    if (of.sent < answer_.head.size()) {
      return ::send(of.fd, answer_.head.data() + of.sent, answer_.head.size() - of.sent, MSG_NOSIGNAL | MSG_MORE);
    }
    off_t at = static_cast<off_t>(of.sent - answer_.head.size());
    return ::sendfile(of.fd, answer_.file, &at, answer_.body_bytes - static_cast<std::size_t>(at));
  }

  const answer answer_;
  int listening_ = -1, epoll_ = -1;
  std::vector<connection> connections_;
};

} // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: forebay_floor PORT BYTES\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  server(number<std::uint16_t>(arguments[1]), number<std::size_t>(arguments[2])).run();
}
