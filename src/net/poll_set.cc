#include "net/poll_set.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <unistd.h>

namespace forebay::net {

poll_set::poll_set() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

poll_set::~poll_set() { ::close(fd_); }

bool poll_set::add(int fd, poll_target& by, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &by;
  return ::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void poll_set::change(int fd, poll_target& by, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &by;
  ::epoll_ctl(fd_, EPOLL_CTL_MOD, fd, &event);
}

void poll_set::remove(int fd, poll_target& by) noexcept {
  ::epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr);
  for (int i = next_; i < count_; ++i) {
    epoll_event& told = events_[static_cast<std::size_t>(i)];
    if (told.data.ptr == &by) told.data.ptr = nullptr;
  }
}

void poll_set::wait(std::chrono::nanoseconds at_most) noexcept {
  const auto until = std::chrono::ceil<std::chrono::milliseconds>(at_most);
  next_ = 0;
  count_ =
      ::epoll_wait(fd_, events_.data(), events_at_once, static_cast<int>(std::max<std::int64_t>(until.count(), 0)));
}

void poll_set::tell() noexcept {
  while (next_ < count_) {
    const epoll_event now = events_[static_cast<std::size_t>(next_++)];
    if (now.data.ptr != nullptr) static_cast<poll_target*>(now.data.ptr)->on_events(now.events);
  }
  count_ = 0;
}

} // namespace forebay::net
