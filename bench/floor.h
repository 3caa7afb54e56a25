// What the floors of a hit have in common (floor.cc, floor_uring.cc): their answer, how they count requests, and numbers
// of the command line.
#pragma once

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace floor_of_a_hit {

/// From here on a body leaves apart from its head.
constexpr std::size_t large_least_bytes = 64 * 1024;

[[noreturn]] inline void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct answer {
  std::string head;
  std::string small; ///< head and body
  int file = -1;     ///< the body of a large one
  std::size_t body_bytes = 0;
};

inline answer make_answer(std::size_t bytes) {
  answer made;
  made.body_bytes = bytes;
  made.head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nCache-Control: max-age=86400\r\n"
              "ETag: \"floor\"\r\nContent-Length: " +
              std::to_string(bytes) + "\r\n\r\n";
  const std::string body(bytes, 'f');
  if (bytes < large_least_bytes) {
    made.small = made.head + body;
    return made;
  }
  made.file = ::memfd_create("floor", MFD_CLOEXEC);
  if (made.file < 0 || ::write(made.file, body.data(), body.size()) != static_cast<ssize_t>(body.size()))
    give_up("memfd");
  return made;
}

/// How many header blocks end in `text`; `matched` is how much of the end of one has been seen, over reads.
inline std::size_t count_ends(std::string_view text, unsigned& matched) {
  std::size_t ends = 0;
  for (const char each : text) {
    matched = each == "\r\n\r\n"[matched] ? matched + 1 : (each == '\r' ? 1 : 0);
    if (matched == 4) {
      ++ends;
      matched = 0;
    }
  }
  return ends;
}

inline int listen_on(std::uint16_t port, int flags) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) give_up("bind");
  if (::listen(fd, SOMAXCONN) != 0) give_up("listen");
  return fd;
}

template <class T>
T number(const char* text) {
  T value{};
  const std::string_view whole(text);
  const auto [end, failed] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
  if (failed == std::errc{} && end == whole.data() + whole.size()) return value;
  std::fprintf(stderr, "%s is no number that fits\n", text);
  std::exit(2);
}

} // namespace floor_of_a_hit
