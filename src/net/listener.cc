#include <cerrno>
#include <netdb.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "net/readiness.h"
#include "net/socket.h"
#include "net/stream.h"
#include "net/tcp_stream.h"

namespace forebay::net {
namespace {

constexpr int backlog = 4096; // the kernel clips it to net.core.somaxconn
/// Pause after a failure, as when the process or machine ran out of descriptors: accepting again at once would spin.
constexpr std::chrono::milliseconds failure_pause{100};
/// Connections after which others on the loop get their turn.
constexpr unsigned accepts_at_once = 16;
/// Nobody needs to come; a wait has an end all the same.
constexpr std::chrono::hours accept_wait{1};

struct host_port {
  std::string host, port;
};

result<host_port> split_address(const std::string& address) {
  const auto colon = address.rfind(':');
  const bool port_fits =
      colon != std::string::npos && parse_u64(std::string_view(address).substr(colon + 1)).value_or(65'536) <= 65'535;
  if (!port_fits) {
    return fail(error_kind::invalid_input, "listener",
                "expected \"host:port\", \":port\" or \"[v6]:port\", found \"" + address + "\"");
  }
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return host_port{host, address.substr(colon + 1)};
}

error bind_failure(const std::string& address, std::string_view step, int number) {
  return {error_kind::unreachable, "listener",
          "cannot " + std::string(step) + " " + address + ": " + std::system_category().message(number)};
}

/// A bound socket for `info`, or -1 with errno.
int bound_socket(const addrinfo& info, bool any_host, bool shared) {
  const int fd = ::socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1, off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (shared) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (info.ai_family == AF_INET6) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any_host ? &off : &on, sizeof on);
  }
  if (::bind(fd, info.ai_addr, info.ai_addrlen) == 0) return fd;
  const int number = errno;
  ::close(fd);
  errno = number;
  return -1;
}

result<int> open_socket(const std::string& address, bool shared) {
  const auto parts = split_address(address);
  if (!parts) return fail(parts.error());
  const bool any_host = parts->host.empty() || parts->host == "*";
  // No host: one IPv6 socket serves both families; IPv4 alone where the machine has no IPv6.
  for (const int family : {any_host ? AF_INET6 : AF_UNSPEC, AF_INET}) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(any_host ? nullptr : parts->host.c_str(), parts->port.c_str(), &hints, &found);
    if (failed != 0) {
      return fail(error_kind::unreachable, "listener", "cannot resolve " + address + ": " + ::gai_strerror(failed));
    }
    const int fd = bound_socket(*found, any_host, shared);
    const int number = errno;
    ::freeaddrinfo(found);
    if (fd >= 0) return fd;
    const bool family_missing = number == EAFNOSUPPORT || number == EADDRNOTAVAIL;
    if (!(any_host && family == AF_INET6 && family_missing)) return fail(bind_failure(address, "listen on", number));
  }
  return fail(bind_failure(address, "listen on", EADDRNOTAVAIL));
}

} // namespace

struct listener::impl {
  explicit impl(int listening) : fd(listening), ready(std::make_shared<readiness>(listening)) {}
  ~impl() { close(); }
  void close() noexcept {
    if (fd < 0) return;
    ready->cancel();
    ready->forget();
    ::close(std::exchange(fd, -1));
  }

  int fd; ///< -1: closed
  unsigned in_a_row = 0;
  std::shared_ptr<readiness> ready;
  endpoint bound;
};

result<void> probe_address(const std::string& address) {
  auto fd = open_socket(address, false);
  if (!fd) return fail(fd.error());
  ::close(*fd);
  return {};
}

result<std::unique_ptr<listener>> listener::open(std::string address) {
  auto fd = open_socket(address, true);
  if (!fd) return fail(fd.error());
  if (::listen(*fd, backlog) != 0) {
    const int number = errno;
    ::close(*fd);
    return fail(bind_failure(address, "listen on", number));
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &size);
  auto made = std::make_shared<impl>(*fd);
  made->bound = endpoint_of(bound);
  return std::unique_ptr<listener>(new listener(std::move(made)));
}

listener::listener(std::shared_ptr<impl> made) : impl_(std::move(made)) {}
listener::~listener() { close(); }

task<result<accepted_socket>> listener::accept() {
  const auto mine = impl_; // the listener may be closed and gone while we wait
  for (;;) {
    if (mine->fd < 0) co_return fail(error_kind::cancelled, "listener", "closed");
    if (!mine->ready->may_read()) {
      co_await mine->ready->wait(readiness::side::read, deadline::after(accept_wait));
      continue;
    }
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd = ::accept4(mine->fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted_socket accepted(fd, endpoint_of(peer));
      if (++mine->in_a_row % accepts_at_once == 0) co_await yield();
      co_return accepted;
    }
    const int number = errno;
    if (would_block(number)) {
      mine->ready->note_empty();
      continue;
    }
    const bool of_one_client = number == EINTR || number == ECONNABORTED;
    if (of_one_client) continue;
    const bool no_descriptors = number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
    log::warn("net", "cannot accept: {}{}", std::system_category().message(number),
              no_descriptors ? "; raise the limit of open files" : "");
    co_await sleep_for(failure_pause);
  }
}

void listener::close() noexcept { impl_->close(); }

const endpoint& listener::bound() const noexcept { return impl_->bound; }

} // namespace forebay::net
