// The sockets of a loop, as the kernel tells of them. For net/ alone.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <sys/epoll.h>

namespace forebay::net {

/// Who is told of one descriptor.
class poll_target {
public:
  /// `events` as epoll reports them. On the loop; may destroy any target, itself too.
  virtual void on_events(std::uint32_t events) noexcept = 0;

protected:
  ~poll_target() = default;
};

/// An epoll set. Loop thread only.
class poll_set {
public:
  poll_set();
  ~poll_set();
  poll_set(const poll_set&) = delete;
  poll_set& operator=(const poll_set&) = delete;

  /// False with errno where the kernel has no room for it.
  bool add(int fd, poll_target& by, std::uint32_t events) noexcept;
  void change(int fd, poll_target& by, std::uint32_t events) noexcept;
  /// No event of before reaches `by` after this.
  void remove(int fd, poll_target& by) noexcept;

  /// Waits until something comes, at most `at_most` rounded up to milliseconds.
  void wait(std::chrono::nanoseconds at_most) noexcept;
  /// Tells the targets what has come.
  void tell() noexcept;

private:
  static constexpr int events_at_once = 128;
  int fd_;
  std::array<epoll_event, events_at_once> events_;
  int next_ = 0, count_ = 0; ///< of `events_`, until all are dealt with
};

} // namespace forebay::net
