// Packets between two network namespaces: a TUN device in each, the distance in between.
//
// The kernels' own TCP runs over it and sees the delay, the rate, the full queue and the loss as they are.
#include <array>
#include <cstdint>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <vector>

#include <arpa/inet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "link.h"

namespace forebay::lab {
namespace {

constexpr int mtu_bytes = 1500; // Ethernet's, as on the long way between two sites
constexpr std::size_t buffer_bytes = 2048;
constexpr int device_queue_packets = 4000; // the kernel's own queue before us; ours is the one that drops
constexpr int read_batch_packets = 256;    // then the due packets of the other direction get their turn
constexpr time_ns tick_ns = 100'000;       // wake-ups are rounded up to this: 2.5 kB of a 200 Mbit/s link
constexpr int events_per_wait = 8;

void write_setting(const std::string& path, const char* value) {
  const descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file) { // a kernel without IPv6 has no such file, and needs no such setting
    [[maybe_unused]] const auto written = ::write(file.get(), value, std::strlen(value));
  }
}

void control_device(int socket_fd, unsigned long request, ifreq& device, const char* what) {
  if (::ioctl(socket_fd, request, &device) != 0) {
    throw failure(std::string(what) + " of device " + device.ifr_name);
  }
}

void set_address(ifreq& device, const std::string& address) {
  auto* inet = reinterpret_cast<sockaddr_in*>(&device.ifr_addr);
  *inet = sockaddr_in{};
  inet->sin_family = AF_INET;
  if (::inet_pton(AF_INET, address.c_str(), &inet->sin_addr) != 1) {
    throw std::runtime_error("not an IPv4 address: " + address);
  }
}

// The network around the device: loopback up, the address with a /24 around it, no IPv6 (whose own chatter
// would be counted as traffic).
void bring_up(const std::string& name, const std::string& address) {
  const descriptor any_socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  control_device(any_socket.get(), SIOCSIFFLAGS, loopback, "flags");

  write_setting("/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6", "1");
  ifreq device{};
  std::strncpy(device.ifr_name, name.c_str(), IFNAMSIZ - 1);
  set_address(device, address);
  control_device(any_socket.get(), SIOCSIFADDR, device, "address");
  set_address(device, "255.255.255.0");
  control_device(any_socket.get(), SIOCSIFNETMASK, device, "netmask");
  device.ifr_mtu = mtu_bytes;
  control_device(any_socket.get(), SIOCSIFMTU, device, "MTU");
  device.ifr_qlen = device_queue_packets;
  // Without real root this is not permitted; the default of 500 packets then drops a little earlier under load.
  [[maybe_unused]] const int outcome = ::ioctl(any_socket.get(), SIOCSIFTXQLEN, &device);
  device.ifr_flags = IFF_UP | IFF_RUNNING | IFF_POINTOPOINT | IFF_NOARP;
  control_device(any_socket.get(), SIOCSIFFLAGS, device, "flags");
}

// The device stays in the namespace where it was made; its descriptor works from everywhere.
descriptor make_device(const std::string& namespace_path, const std::string& name, const std::string& address) {
  const descriptor space(::open(namespace_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!space || ::setns(space.get(), CLONE_NEWNET) != 0) {
    throw failure("cannot enter the network namespace " + namespace_path);
  }
  descriptor device(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!device) {
    throw failure("cannot open /dev/net/tun");
  }
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(device.get(), TUNSETIFF, &request) != 0) {
    throw failure("cannot make the TUN device " + name);
  }
  bring_up(name, address);
  return device;
}

using buffer = std::array<std::uint8_t, buffer_bytes>;

// Buffers of packets that are under way; kept for reuse, so that the steady state allocates nothing. Bounded by
// what the delay line and the queue of both directions hold.
class buffer_pool {
public:
  std::unique_ptr<buffer> take() {
    if (free_.empty()) {
      return std::make_unique<buffer>();
    }
    auto one = std::move(free_.back());
    free_.pop_back();
    return one;
  }
  void give_back(std::unique_ptr<buffer> one) { free_.push_back(std::move(one)); }

private:
  std::vector<std::unique_ptr<buffer>> free_;
};

struct packet_under_way {
  time_ns arrives;
  std::size_t size_bytes;
  std::unique_ptr<buffer> bytes;
};

// One direction: reads from one device, holds for the distance, writes to the other.
class direction {
public:
  direction(int from_fd, int to_fd, shaper& shaping, const link_conditions& conditions, buffer_pool& pool)
      : from_fd_(from_fd), to_fd_(to_fd), shaping_(shaping), conditions_(conditions), pool_(pool) {}

  void take_in() {
    for (int i = 0; i < read_batch_packets; ++i) {
      auto bytes = pool_.take();
      const ssize_t size = ::read(from_fd_, bytes->data(), bytes->size());
      if (size <= 0) {
        pool_.give_back(std::move(bytes));
        return;
      }
      const auto size_bytes = static_cast<std::size_t>(size);
      if (const auto arrives = shaping_.admit(conditions_, size_bytes, now_ns())) {
        line_.push_back({*arrives, size_bytes, std::move(bytes)});
      } else {
        pool_.give_back(std::move(bytes));
      }
    }
  }

  void deliver_due(time_ns now) {
    while (!line_.empty() && line_.front().arrives <= now) {
      auto& packet = line_.front();
      // A device that refuses (it went down) loses the packet, as a wire would.
      if (::write(to_fd_, packet.bytes->data(), packet.size_bytes) > 0) {
        shaping_.count_delivered(packet.size_bytes);
      } else {
        ++shaping_.counters.lost_packets;
      }
      pool_.give_back(std::move(packet.bytes));
      line_.pop_front();
    }
  }

  [[nodiscard]] int from_fd() const { return from_fd_; }
  [[nodiscard]] bool idle() const { return line_.empty(); }
  [[nodiscard]] time_ns next_arrival() const { return line_.front().arrives; }

private:
  int from_fd_;
  int to_fd_;
  shaper& shaping_;
  const link_conditions& conditions_;
  buffer_pool& pool_;
  std::deque<packet_under_way> line_;
};

// Sleeps until the next packet is due; nothing under way means no timer at all.
void arm_timer(int timer_fd, const direction& one, const direction& other) {
  time_ns next = 0;
  if (!one.idle()) {
    next = one.next_arrival();
  }
  if (!other.idle()) {
    next = next == 0 ? other.next_arrival() : std::min(next, other.next_arrival());
  }
  next = (next + tick_ns - 1) / tick_ns * tick_ns;
  itimerspec when{};
  when.it_value.tv_sec = next / 1'000'000'000;
  when.it_value.tv_nsec = next % 1'000'000'000;
  ::timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, nullptr);
}

void watch(int epoll_fd, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
    throw failure("epoll_ctl");
  }
}

} // namespace

void run_tunnel(const tunnel_options& options, link_state& state, control_socket& control, int stop_fd,
                void (*ready)(const link_state&)) {
  const auto near_device = make_device(options.near_ns, "farlink", options.near_address);
  const auto far_device = make_device(options.far_ns, "farlink", options.far_address);
  const descriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  const descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  buffer_pool pool;
  direction outward(near_device.get(), far_device.get(), state.near_to_far, state.conditions, pool);
  direction homeward(far_device.get(), near_device.get(), state.far_to_near, state.conditions, pool);
  for (const int fd : {near_device.get(), far_device.get(), timer.get(), control.fd(), stop_fd}) {
    watch(epoll.get(), fd);
  }
  ready(state);

  std::array<epoll_event, events_per_wait> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll.get(), events.data(), events_per_wait, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == stop_fd) {
        return;
      }
      if (fd == outward.from_fd()) {
        outward.take_in();
      } else if (fd == homeward.from_fd()) {
        homeward.take_in();
      } else if (fd == control.fd()) {
        control.serve_one();
      }
    }
    const time_ns now = now_ns();
    outward.deliver_due(now);
    homeward.deliver_due(now);
    arm_timer(timer.get(), outward, homeward); // setting it also clears its readiness
  }
}

} // namespace forebay::lab
