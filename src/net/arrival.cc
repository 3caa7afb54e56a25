#include "net/arrival.h"

#include <cstring>
#include <ctime>
#include <sys/socket.h>

namespace forebay::net {
namespace {

std::chrono::nanoseconds length_of(const timespec& span) noexcept {
  return std::chrono::seconds(span.tv_sec) + std::chrono::nanoseconds(span.tv_nsec);
}

steady_time arrival_of(msghdr& message) noexcept {
  thread_local arrival_clock clock;
  for (const cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(each))) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamped{}, today{};
    std::memcpy(&stamped, CMSG_DATA(each), sizeof stamped);
    ::clock_gettime(CLOCK_REALTIME, &today);
    return clock.of(length_of(stamped), length_of(today), std::chrono::steady_clock::now());
  }
  return {};
}

} // namespace

steady_time arrival_clock::of(std::chrono::nanoseconds stamped, std::chrono::nanoseconds time_of_day,
                              steady_time now) noexcept {
  const std::chrono::nanoseconds apart = time_of_day - now.time_since_epoch();
  const bool jumped = together_since_ == steady_time::max() || std::chrono::abs(apart - apart_) > drift;
  apart_ = apart;
  if (jumped) together_since_ = now;
  const steady_time arrived(stamped - apart);
  return arrived < together_since_ || arrived > now ? steady_time{} : arrived;
}

void stamp_arrivals(int fd, bool on) noexcept {
  const int value = on ? 1 : 0;
  ::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &value, sizeof value); // else nothing is told
}

ssize_t receive_stamped(int fd, std::span<std::byte> into, steady_time& arrived) noexcept {
  iovec place{into.data(), into.size()};
  // The kernel may tell the time in more than one form.
  alignas(cmsghdr) std::byte told[2 * CMSG_SPACE(3 * sizeof(timespec))];
  msghdr message{};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = told;
  message.msg_controllen = sizeof told;
  const ssize_t got = ::recvmsg(fd, &message, 0);
  if (got > 0) arrived = arrival_of(message);
  return got;
}

} // namespace forebay::net
