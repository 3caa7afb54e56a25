#include "app/notify.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

#include "base/log.h"

namespace forebay::app {

void notify_manager(const std::string& lines) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0'; // the abstract namespace
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  const bool sent = fd >= 0 && ::sendto(fd, lines.data(), lines.size(), MSG_NOSIGNAL,
                                        reinterpret_cast<const sockaddr*>(&address), size) >= 0;
  if (!sent) log::warn("serve", "cannot notify {}: {}", path, std::system_category().message(errno));
  if (fd >= 0) ::close(fd);
}

void notify_ready(std::string_view status) { notify_manager(fmt::format("READY=1\nSTATUS={}\n", status)); }

void notify_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  // Type=notify-reload compares this with when it asked.
  const auto microseconds = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
  notify_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\n", microseconds));
}

void notify_stopping(std::string_view status) { notify_manager(fmt::format("STOPPING=1\nSTATUS={}\n", status)); }

} // namespace forebay::app
