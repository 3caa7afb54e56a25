// An open-loop generator of HTTP/1.1 requests: they are due at their times, whatever became of those before.
//
//   open_load PORT PATH RATE SECONDS CONNECTIONS
//
// Prints one line of JSON: how many were answered 200, refused (503, 429) or failed, and the latencies of those answered
// 200 in microseconds, from the moment when they were due. A request that finds every connection busy waits for one,
// and its wait counts; so does what the generator itself comes late with. What the server has a part in is told beside
// it: the time from sending until the kernel had the whole answer (`served`), and by how much requests were sent late.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "percentile.h"

namespace {

using time_point = std::chrono::steady_clock::time_point;
time_point now() { return std::chrono::steady_clock::now(); }

double microseconds(std::chrono::nanoseconds span) { return std::chrono::duration<double, std::micro>(span).count(); }

std::chrono::nanoseconds length_of(const timespec& span) {
  return std::chrono::seconds(span.tv_sec) + std::chrono::nanoseconds(span.tv_nsec);
}
/// As the kernel stamps what comes.
std::chrono::nanoseconds time_of_day() {
  timespec today{};
  ::clock_gettime(CLOCK_REALTIME, &today);
  return length_of(today);
}

/// As `recv`; `stamped` is when the last of the bytes came, untouched where the kernel does not tell.
ssize_t receive(int fd, char* into, std::size_t length, int flags, std::chrono::nanoseconds& stamped) {
  iovec place{into, length};
  alignas(cmsghdr) char told[CMSG_SPACE(sizeof(timespec))];
  msghdr message{};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = told;
  message.msg_controllen = sizeof told;
  const ssize_t got = ::recvmsg(fd, &message, flags | MSG_DONTWAIT);
  const cmsghdr* const first = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (first != nullptr && first->cmsg_type == SCM_TIMESTAMPNS) {
    timespec at{};
    std::memcpy(&at, CMSG_DATA(first), sizeof at);
    stamped = length_of(at);
  }
  return got;
}

constexpr std::size_t head_read_bytes = 16 * 1024;
/// What a server does with a new load is told with the rest, and what it does then by itself, too.
constexpr std::chrono::seconds settling{1};

struct connection {
  int fd = -1;
  bool busy = false;
  time_point due, sent;
  std::chrono::nanoseconds sent_today{}, arrived_today{}; ///< by the time of day; of the answer's last bytes
  std::string head;
  bool in_body = false;
  unsigned status = 0;
  std::size_t left = 0;
};

struct tally {
  unsigned long offered = 0, ok = 0, refused = 0, failed = 0;
  std::vector<double> latencies_us;
  std::vector<double> settled_us; ///< of those due after the first second
  std::vector<double> served_us, sent_late_us;
};

class generator {
public:
  generator(std::uint16_t port, const std::string& path, std::size_t connections)
      : port_(port),
        request_("GET " + path + " HTTP/1.1\r\nHost: load\r\n\r\n"),
        connections_(connections),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < connections; ++i) open(i);
  }

  tally run(double rate, double seconds) {
    std::mt19937_64 random(7);
    std::exponential_distribution<double> gap(rate); // arrivals of many independent clients
    begin_ = now();
    const time_point end = begin_ + to_duration(seconds);
    time_point due = begin_;
    while (now() < end) {
      for (; due <= now() && due < end; due += to_duration(gap(random))) {
        waiting_.push_back(due);
        ++tally_.offered;
      }
      dispatch();
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(due - now()).count();
      poll(static_cast<int>(std::clamp<long>(left, 0, 10)));
    }
    const time_point patience = now() + std::chrono::seconds(2);
    while (now() < patience && any_busy()) poll(10);
    return std::move(tally_);
  }

private:
  static std::chrono::steady_clock::duration to_duration(double seconds) {
    return std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
  }
  bool any_busy() const {
    return std::any_of(connections_.begin(), connections_.end(), [](const connection& one) { return one.busy; });
  }

  void open(std::size_t index) {
    connection& one = connections_[index];
    one = {};
    one.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(one.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      ++tally_.failed;
      return;
    }
    const int on = 1;
    ::setsockopt(one.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(one.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    epoll_event want{};
    want.events = EPOLLIN;
    want.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, one.fd, &want);
    idle_.push_back(index);
  }

  void dispatch() {
    while (!waiting_.empty() && !idle_.empty()) {
      const std::size_t index = idle_.back();
      idle_.pop_back();
      connection& one = connections_[index];
      one.busy = true;
      one.due = waiting_.front();
      waiting_.pop_front();
      one.sent = now();
      one.sent_today = time_of_day();
      if (::send(one.fd, request_.data(), request_.size(), MSG_NOSIGNAL) < 0) fail(index);
    }
  }

  void poll(int timeout_ms) {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
    for (int i = 0; i < count; ++i) take(events[static_cast<std::size_t>(i)].data.u64);
  }

  void take(std::size_t index) {
    connection& one = connections_[index];
    static std::vector<char> buffer(1 << 20);
    // Bodies are thrown away in the kernel: to copy them would cost more than to send them.
    const std::size_t most = one.in_body ? std::min(one.left, buffer.size()) : head_read_bytes;
    const ssize_t got = receive(one.fd, buffer.data(), most, one.in_body ? MSG_TRUNC : 0, one.arrived_today);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return fail(index);
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    if (!one.in_body) {
      one.head.append(bytes);
      const auto end = one.head.find("\r\n\r\n");
      if (end == std::string::npos) return;
      const std::size_t body = one.head.size() - end - 4;
      one.status = static_cast<unsigned>(std::atoi(one.head.c_str() + std::strlen("HTTP/1.1 ")));
      constexpr const char* name = "\r\nContent-Length: ";
      const char* length = ::strcasestr(one.head.c_str(), name); // some write it in small letters
      if (length == nullptr) return fail(index);
      one.left = std::strtoul(length + std::strlen(name), nullptr, 10);
      one.in_body = true;
      bytes = bytes.substr(bytes.size() - body);
    }
    one.left -= std::min(one.left, bytes.size());
    if (one.left == 0) finish(index);
  }

  void finish(std::size_t index) {
    connection& one = connections_[index];
    if (one.status == 200) {
      ++tally_.ok;
      tally_.latencies_us.push_back(microseconds(now() - one.due));
      tally_.served_us.push_back(microseconds(one.arrived_today - one.sent_today));
      tally_.sent_late_us.push_back(microseconds(one.sent - one.due));
      if (one.due - begin_ > settling) tally_.settled_us.push_back(tally_.latencies_us.back());
    } else if (one.status == 503 || one.status == 429) {
      ++tally_.refused;
    } else {
      ++tally_.failed;
    }
    one.head.clear();
    one.in_body = one.busy = false;
    idle_.push_back(index);
  }

  void fail(std::size_t index) {
    if (connections_[index].busy) ++tally_.failed;
    ::close(connections_[index].fd);
    std::erase(idle_, index);
    open(index);
  }

  std::uint16_t port_;
  std::string request_;
  std::vector<connection> connections_;
  int epoll_;
  std::vector<std::size_t> idle_;
  std::deque<time_point> waiting_;
  time_point begin_;
  tally tally_;
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: open_load PORT PATH RATE SECONDS CONNECTIONS\n");
    return 2;
  }
  generator load(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2], std::strtoul(argv[5], nullptr, 10));
  const double seconds = std::atof(argv[4]);
  tally seen = load.run(std::atof(argv[3]), seconds);
  for (auto* each : {&seen.latencies_us, &seen.settled_us, &seen.served_us, &seen.sent_late_us})
    std::sort(each->begin(), each->end());
  std::printf("{\"offered\": %lu, \"ok\": %lu, \"refused\": %lu, \"failed\": %lu, \"ok_per_second\": %.0f, "
              "\"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f, \"settled_p99_us\": %.0f, "
              "\"served_p50_us\": %.0f, \"served_p99_us\": %.0f, \"sent_late_p99_us\": %.0f}\n",
              seen.offered, seen.ok, seen.refused, seen.failed, static_cast<double>(seen.ok) / seconds,
              percentile(seen.latencies_us, 0.5), percentile(seen.latencies_us, 0.99),
              percentile(seen.latencies_us, 0.999), percentile(seen.settled_us, 0.99), percentile(seen.served_us, 0.5),
              percentile(seen.served_us, 0.99), percentile(seen.sent_late_us, 0.99));
  return 0;
}
