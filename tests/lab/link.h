// The far link of the laboratory: what its two modes (packets between namespaces, TCP relay) share.
#pragma once

#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

#include "shaper.h"

namespace forebay::lab {

inline time_ns now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<time_ns>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// A set-up step that failed. The program prints it and exits 2.
inline std::runtime_error failure(const std::string& what) {
  return std::runtime_error(what + ": " + std::strerror(errno));
}

// A file descriptor that closes itself.
class descriptor {
public:
  descriptor() = default;
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

private:
  int fd_ = -1;
};

struct tunnel_options {
  std::string near_ns; // path of a namespace, such as /proc/123/ns/net
  std::string far_ns;
  std::string near_address = "10.77.0.1";
  std::string far_address = "10.77.0.2";
};

struct relay_options {
  std::string listen_host;
  std::string listen_port;
  std::string target_host;
  std::string target_port;
};

// The state of a running link. Owned by main(), used from the one thread.
struct link_state {
  link_conditions conditions;
  shaper near_to_far{1};
  shaper far_to_near{2};
  std::string mode;
};

// Where tests read the counters and change the conditions: a unix stream socket, one command a connection.
//   status                                  -> {"mode": ..., "near_to_far": {...}, "far_to_near": {...}, ...}
//   set rtt_ms=80 loss=0.01 up=0 ...        -> the same, after the change
class control_socket {
public:
  control_socket(const std::string& path, link_state& state);
  [[nodiscard]] int fd() const { return listener_.get(); }
  void serve_one(); // accepts a client and answers it; a slow client is given up after 100 ms

private:
  descriptor listener_;
  link_state& state_;
};

[[nodiscard]] std::string describe(const link_state& state);

// Both return when `stop_fd` (a signalfd) becomes readable. `ready` is called once when packets can pass.
void run_tunnel(const tunnel_options& options, link_state& state, control_socket& control, int stop_fd,
                void (*ready)(const link_state&));
void run_relay(const relay_options& options, link_state& state, control_socket& control, int stop_fd,
               void (*ready)(const link_state&));

} // namespace forebay::lab
