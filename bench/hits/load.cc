// A generator of HTTP/1.1 requests that costs less than the servers it measures: one thread, and bodies that are not
// compared are thrown away inside the kernel (MSG_TRUNC) instead of being copied.
//
//   forebay_hits_load PORT CONNECTIONS SECONDS RATE REQUESTS PATTERN COMPARE
//
// REQUESTS is a file of lines `OBJECT FIRST LENGTH`: GET /o/OBJECT, whole where FIRST is -1, else that range. They are asked
// for round and round for SECONDS, each connection as soon as its last answer is complete, or, with a RATE that is not 0, as
// many a second, due at even times: then an answer's time counts from the moment when its request was due. With SECONDS 0
// each line is asked for once. Status and lengths of all answers are checked, and each COMPARE-th body byte by byte (0:
// none): at offset i of object n stands byte (i + 7919 n) of the PATTERN file, read round and round.
//
// Prints one line of JSON; a wrong answer ends the run with exit code 1 and a sentence.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <strings.h>
#include <vector>

#include "../percentile.h"

namespace {

constexpr std::uint64_t shift_per_object = 7919;
constexpr std::size_t read_bytes = 256 * 1024;
constexpr std::size_t head_read_bytes = 16 * 1024; // what is read before the length is known
constexpr std::size_t head_limit_bytes = 64 * 1024;
constexpr std::uint64_t bulk_bytes = 256 * 1024; // of a large body that make waking up worth while
constexpr int patience_ms = 60'000;              // without any answer
constexpr auto spin_within = std::chrono::milliseconds(2);

using time_point = std::chrono::steady_clock::time_point;
time_point now() { return std::chrono::steady_clock::now(); }
double us(std::chrono::steady_clock::duration of) { return std::chrono::duration<double, std::micro>(of).count(); }

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

struct asked {
  std::string text;
  std::uint64_t object = 0;
  std::int64_t first = -1;
  std::uint64_t length = 0;
};

std::vector<asked> read_requests(const char* path) {
  std::ifstream from(path);
  std::vector<asked> all;
  for (asked one; from >> one.object >> one.first >> one.length;) {
    one.text = "GET /o/" + std::to_string(one.object) + " HTTP/1.1\r\nHost: bench\r\n";
    if (one.first >= 0) {
      const auto last = static_cast<std::uint64_t>(one.first) + one.length - 1;
      one.text += "Range: bytes=" + std::to_string(one.first) + "-" + std::to_string(last) + "\r\n";
    }
    one.text += "\r\n";
    all.push_back(one);
  }
  if (all.empty()) give_up(std::string(path) + ": no requests");
  return all;
}

/// The pattern, repeated so that any run of `read_bytes` of it lies in one piece.
class pattern {
public:
  explicit pattern(const char* path) {
    std::ifstream from(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(from), {});
    if (bytes_.empty()) give_up(std::string(path) + ": no pattern");
    period_ = bytes_.size();
    while (bytes_.size() < period_ + read_bytes) bytes_.append(bytes_, 0, period_);
  }
  bool fits(std::uint64_t object, std::uint64_t offset, std::string_view seen) const {
    return std::memcmp(bytes_.data() + (offset + object * shift_per_object) % period_, seen.data(), seen.size()) == 0;
  }

private:
  std::string bytes_;
  std::size_t period_ = 0;
};

std::string_view field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    if (::strncasecmp(line.data(), name.data(), name.size()) != 0) continue;
    const auto value = line.find_first_not_of(" \t", name.size() + 1);
    return value == std::string_view::npos ? std::string_view{} : line.substr(value);
  }
  return {};
}

struct connection {
  int fd = -1;
  std::size_t which = 0; ///< of the requests
  time_point due, first_byte;
  std::string head;
  bool busy = false, in_body = false, compare = false;
  int wake_bytes = 1;   ///< SO_RCVLOWAT
  std::uint64_t at = 0; ///< of the answer's body
};

struct timing {
  double first_us = 0, whole_us = 0;
};

struct tally {
  std::uint64_t answers = 0, bytes = 0, compared = 0, connected_again = 0;
  std::uint64_t overdue = 0; ///< at a rate: asked for by nobody when the time was up
  double seconds = 0, cpu_s = 0;
  std::vector<timing> times; ///< in the order of the requests, where each is asked for once
};

struct plan {
  std::uint16_t port = 0;
  std::size_t connections = 0;
  double seconds = 0, rate = 0;
  std::uint64_t compare = 0;
};

double cpu_s() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& one) {
    return static_cast<double>(one.tv_sec) + 1e-6 * static_cast<double>(one.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

class generator {
public:
  generator(const plan& what, std::vector<asked> requests, const pattern& expected)
      : plan_(what),
        requests_(std::move(requests)),
        expected_(expected),
        connections_(what.connections),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        buffer_(read_bytes) {
    if (once()) tally_.times.resize(requests_.size());
    for (std::size_t i = 0; i < connections_.size(); ++i) open(i);
  }

  tally run() {
    const double cpu_before = cpu_s();
    begin_ = now();
    end_ = begin_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                        std::chrono::duration<double>(plan_.seconds));
    if (plan_.rate > 0) {
      run_at_rate();
    } else {
      for (std::size_t i = 0; i < connections_.size(); ++i) ask_next(i, begin_);
      while (once() ? done_ < requests_.size() : now() < end_) wait(once() ? patience_ms : left_ms(end_));
    }
    tally_.seconds = us(now() - begin_) / 1e6;
    tally_.cpu_s = cpu_s() - cpu_before;
    return std::move(tally_);
  }

private:
  bool once() const { return plan_.seconds <= 0; }
  static int left_ms(time_point until) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(until - now()).count()) + 1;
  }

  /// Requests are due at even times; one that finds every connection busy waits, and its wait counts.
  void run_at_rate() {
    const auto gap =
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(1 / plan_.rate));
    for (std::size_t i = 0; i < connections_.size(); ++i) idle_.push_back(i);
    for (time_point due = begin_; now() < end_;) {
      for (; due <= now(); due += gap) waiting_.push_back(due);
      while (!waiting_.empty() && !idle_.empty()) {
        const std::size_t index = idle_.front(); // in turn: each asks for as much as the others
        idle_.pop_front();
        ask_next(index, waiting_.front());
        waiting_.pop_front();
      }
      wait(due - now() > spin_within ? 1 : 0); // sleeping is too coarse for what is due at once
    }
    tally_.overdue = waiting_.size();
  }

  void open(std::size_t index) {
    connection& one = connections_[index];
    one = {};
    one.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(plan_.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(one.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      give_up(std::string("cannot connect: ") + std::strerror(errno));
    }
    const int on = 1;
    ::setsockopt(one.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event want{};
    want.events = EPOLLIN;
    want.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, one.fd, &want);
  }

  void ask_next(std::size_t index, time_point due) {
    connection& one = connections_[index];
    if (once() && next_ >= requests_.size()) {
      one.busy = false;
      return;
    }
    one.which = next_ % requests_.size();
    one.compare = plan_.compare != 0 && next_ % plan_.compare == 0;
    ++next_;
    one.due = once() ? now() : due;
    one.busy = true;
    ask(one);
  }

  void ask(connection& one) {
    one.in_body = false;
    one.at = 0;
    one.head.clear();
    const std::string& text = requests_[one.which].text;
    ::send(one.fd, text.data(), text.size(), MSG_NOSIGNAL); // a failure shows when the answer is read
  }

  void wait(int timeout_ms) {
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
    if (count == 0 && timeout_ms >= patience_ms) give_up("no answer for a minute");
    for (int i = 0; i < count; ++i) take(events[static_cast<std::size_t>(i)].data.u64);
  }

  void take(std::size_t index) {
    connection& one = connections_[index];
    const asked& what = requests_[one.which];
    const bool drop = one.in_body && !one.compare;
    const std::size_t room =
        one.in_body ? (drop ? what.length - one.at : std::min(read_bytes, what.length - one.at)) : head_read_bytes;
    const ssize_t got = ::recv(one.fd, buffer_.data(), room, MSG_DONTWAIT | (drop ? MSG_TRUNC : 0));
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return ended(index);
    if (!one.busy) give_up("bytes that nobody asked for");
    if (drop) {
      one.at += static_cast<std::uint64_t>(got);
    } else if (one.in_body) {
      take_body(one, {buffer_.data(), static_cast<std::size_t>(got)});
    } else {
      take_head(one, {buffer_.data(), static_cast<std::size_t>(got)});
    }
    if (one.in_body && one.at == what.length) return finish(index);
    if (one.in_body && !once()) wake_for(one, std::min(bulk_bytes, what.length - one.at));
  }

  /// A reader that sleeps between any two packets of a large body makes the server pay for waking it.
  static void wake_for(connection& one, std::uint64_t bytes) {
    const int least = bytes < bulk_bytes / 4 ? 1 : static_cast<int>(bytes);
    if (least == one.wake_bytes) return;
    ::setsockopt(one.fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
    one.wake_bytes = least;
  }

  void take_head(connection& one, std::string_view got) {
    if (one.head.empty()) one.first_byte = now();
    one.head.append(got);
    const auto end = one.head.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (one.head.size() > head_limit_bytes) give_up("an answer's head has no end");
      return;
    }
    check_head(one, std::string_view(one.head).substr(0, end + 2));
    one.in_body = true;
    take_body(one, got.substr(got.size() - (one.head.size() - end - 4)));
  }

  void check_head(const connection& one, std::string_view head) {
    const asked& what = requests_[one.which];
    const std::string_view status = what.first < 0 ? "200" : "206";
    if (head.size() < 12 || head.substr(0, 7) != "HTTP/1." || head.substr(9, 3) != status) wrong(one, "is answered");
    if (field(head, "content-length") != std::to_string(what.length)) wrong(one, "has another length");
    if (what.first < 0) return;
    const std::string range = "bytes " + std::to_string(what.first) + "-";
    if (field(head, "content-range").substr(0, range.size()) != range) wrong(one, "is another range");
  }

  void take_body(connection& one, std::string_view got) {
    const asked& what = requests_[one.which];
    if (one.at + got.size() > what.length) wrong(one, "has bytes behind its end");
    const std::uint64_t offset = one.at + static_cast<std::uint64_t>(std::max<std::int64_t>(what.first, 0));
    if (one.compare && !expected_.fits(what.object, offset, got)) wrong(one, "has wrong bytes");
    one.at += got.size();
  }

  [[noreturn]] void wrong(const connection& one, const std::string& how) {
    const asked& what = requests_[one.which];
    give_up("/o/" + std::to_string(what.object) + (what.first < 0 ? "" : " from " + std::to_string(what.first)) + " " +
            how + ":\n" + one.head.substr(0, std::min<std::size_t>(one.head.find("\r\n\r\n"), 2000)));
  }

  void finish(std::size_t index) {
    connection& one = connections_[index];
    const time_point at = now();
    wake_for(one, 1);
    const timing took{us(one.first_byte - one.due), us(at - one.due)};
    one.busy = false;
    ++tally_.answers;
    tally_.bytes += requests_[one.which].length;
    tally_.compared += one.compare ? 1 : 0;
    if (once()) {
      tally_.times[one.which] = took;
      ++done_;
    } else {
      tally_.times.push_back(took);
    }
    if (plan_.rate > 0) {
      idle_.push_back(index);
    } else {
      ask_next(index, at);
    }
  }

  /// A server may close a connection that it kept, before a byte of the next answer: then it is asked again on another.
  void ended(std::size_t index) {
    connection before = connections_[index];
    if (before.busy && (before.in_body || !before.head.empty())) wrong(before, "broke off");
    ::close(before.fd);
    if (++tally_.connected_again > tally_.answers + connections_.size()) give_up("connections end without an answer");
    open(index);
    if (!before.busy) return;
    before.fd = connections_[index].fd;
    connections_[index] = before;
    ask(connections_[index]);
  }

  const plan plan_;
  const std::vector<asked> requests_;
  const pattern& expected_;
  std::vector<connection> connections_;
  int epoll_;
  std::vector<char> buffer_;
  time_point begin_, end_;
  std::uint64_t next_ = 0, done_ = 0;
  std::deque<std::size_t> idle_;
  std::deque<time_point> waiting_;
  tally tally_;
};

void print(const tally& seen, bool each) {
  std::vector<double> whole;
  for (const timing& one : seen.times) whole.push_back(one.whole_us);
  std::sort(whole.begin(), whole.end());
  std::printf("{\"answers\": %llu, \"bytes\": %llu, \"compared\": %llu, \"connected_again\": %llu, \"overdue\": %llu, "
              "\"seconds\": %.6f, "
              "\"cpu_s\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"times_us\": [",
              static_cast<unsigned long long>(seen.answers), static_cast<unsigned long long>(seen.bytes),
              static_cast<unsigned long long>(seen.compared), static_cast<unsigned long long>(seen.connected_again),
              static_cast<unsigned long long>(seen.overdue), seen.seconds, seen.cpu_s, percentile(whole, 0.5),
              percentile(whole, 0.99));
  for (std::size_t i = 0; each && i < seen.times.size(); ++i) {
    std::printf("%s[%.1f, %.1f]", i == 0 ? "" : ", ", seen.times[i].first_us, seen.times[i].whole_us);
  }
  std::printf("]}\n");
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: forebay_hits_load PORT CONNECTIONS SECONDS RATE REQUESTS PATTERN COMPARE\n");
    return 2;
  }
  plan what;
  what.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  what.connections = std::strtoul(argv[2], nullptr, 10);
  what.seconds = std::atof(argv[3]);
  what.rate = std::atof(argv[4]);
  what.compare = std::strtoul(argv[7], nullptr, 10);
  const pattern expected(argv[6]);
  print(generator(what, read_requests(argv[5]), expected).run(), what.seconds <= 0);
  return 0;
}
