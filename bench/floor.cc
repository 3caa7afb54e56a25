// The floor of a hit: what the kernel charges for a request and an answer over a kept connection. Reads whatever a
// client sends, counts the ends of header blocks, and sends the same bytes for each: no parsing, no choice, no clock.
//
//   forebay_floor PORT BYTES        one thread; ends with the terminal's interrupt or a termination
//
// Small bodies leave with their head in one `send`; from 64 KiB on the head is sent with MSG_MORE and the body by
// `sendfile` out of a memfd, as caches do it.
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t sendfile_least_bytes = 64 * 1024;
constexpr std::size_t read_bytes = 16 * 1024;
constexpr int events_at_once = 256;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct answer {
  std::string head;
  std::string small; ///< head and body
  int file = -1;     ///< the body of a large one
  std::size_t body_bytes = 0;
};

answer make_answer(std::size_t bytes) {
  answer made;
  made.body_bytes = bytes;
  made.head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nCache-Control: max-age=86400\r\n"
              "ETag: \"floor\"\r\nContent-Length: " +
              std::to_string(bytes) + "\r\n\r\n";
  const std::string body(bytes, 'f');
  if (bytes < sendfile_least_bytes) {
    made.small = made.head + body;
    return made;
  }
  made.file = ::memfd_create("floor", MFD_CLOEXEC);
  if (made.file < 0 || ::write(made.file, body.data(), body.size()) != static_cast<ssize_t>(body.size()))
    give_up("memfd");
  return made;
}

/// One connection: how many answers it is owed, and how far the present one is.
struct connection {
  int fd = -1;
  std::size_t owed = 0, sent = 0;
  unsigned matched = 0; ///< of the four bytes that end a header block
};

class server {
public:
  server(std::uint16_t port, std::size_t bytes) : answer_(make_answer(bytes)) {
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listening_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) give_up("bind");
    if (::listen(listening_, SOMAXCONN) != 0) give_up("listen");
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
      for (const char each : std::string_view(buffer, static_cast<std::size_t>(got))) {
        of.matched = each == "\r\n\r\n"[of.matched] ? of.matched + 1 : (each == '\r' ? 1 : 0);
        if (of.matched == 4) {
          ++of.owed;
          of.matched = 0;
        }
      }
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

template <class T>
T number(const char* text) {
  T value{};
  const std::string_view whole(text);
  const auto [end, failed] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
  if (failed == std::errc{} && end == whole.data() + whole.size()) return value;
  std::fprintf(stderr, "forebay_floor: %s is no number that fits\n", text);
  std::exit(2);
}

} // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: forebay_floor PORT BYTES\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  server(number<std::uint16_t>(arguments[1]), number<std::size_t>(arguments[2])).run();
}
