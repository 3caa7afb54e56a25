#include "net/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "net/loop.h"
#include "net/queue_delay.h"
#include "net/testing/burning.h"
#include "net/testing/waiting.h"

namespace forebay::net {
namespace {

using namespace std::chrono_literals;

/// A plain blocking client socket.
class client {
public:
  explicit client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~client() { ::close(fd_); }
  int fd() const { return fd_; }
  /// All until the end; `reset` tells how it ended.
  std::string read_all(bool& reset) const {
    std::string all;
    char part[65'536];
    for (;;) {
      const ssize_t count = ::recv(fd_, part, sizeof part, 0);
      reset = count < 0;
      if (count <= 0) return all;
      all.append(part, static_cast<std::size_t>(count));
    }
  }

private:
  int fd_;
};

struct file_bytes final : pinnable {
  explicit file_bytes(std::size_t size) : fd(::memfd_create("test", MFD_CLOEXEC)), length(size) {
    EXPECT_EQ(::ftruncate(fd, static_cast<off_t>(size)), 0);
    void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    bytes = static_cast<std::byte*>(at);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31) >> 3);
  }
  ~file_bytes() {
    ::munmap(bytes, length);
    ::close(fd);
  }
  void released() noexcept override {}
  slice all() { return {fd, 0, {bytes, length}, pin(this)}; }
  int fd;
  std::size_t length;
  std::byte* bytes;
};

class stream_scene : public ::testing::Test {
protected:
  void SetUp() override {
    group.start();
    run_blocking(group.at(0), open(this));
  }
  void TearDown() override {
    run_blocking(group.at(0), drop(this));
    group.stop();
  }
  static task<void> open(stream_scene* self) {
    auto made = listener::open("127.0.0.1:0");
    EXPECT_TRUE(made) << made.error().message();
    self->listening = std::move(*made);
    co_return;
  }
  static task<void> drop(stream_scene* self) {
    self->accepted.reset();
    self->listening.reset();
    co_return;
  }
  static task<void> accept(stream_scene* self) {
    auto got = co_await self->listening->accept();
    EXPECT_TRUE(got);
    self->accepted = std::move(*got).adopt();
  }
  static task<void> send(stream_scene* self, std::vector<slice> pieces, std::chrono::milliseconds stall,
                         result<void>* answer) {
    auto sent = co_await self->accepted->send(pieces, false, stall);
    *answer = sent;
  }
  static task<result<void>> send_pieces(stream_scene* self, std::vector<slice> pieces) {
    auto sent = co_await self->accepted->send(pieces, false, 60s);
    co_return sent;
  }
  static task<result<std::size_t>> read(stream_scene* self, std::chrono::milliseconds within) {
    std::array<std::byte, 16> room;
    auto got = co_await self->accepted->read_some(room, deadline::after(within));
    co_return got;
  }
  static task<void> is_over(const std::optional<result<void>>* outcome, bool* over) {
    *over = outcome->has_value();
    co_return;
  }
  static task<void> end(stream_scene* self, bool abort) {
    if (abort) {
      self->accepted->abort();
    } else {
      self->accepted->close();
    }
    co_return;
  }
  static task<void> look(stream_scene* self, bool* gone) {
    *gone = self->accepted->peer_closed();
    co_return;
  }
  client connect() {
    client made(listening->bound().port);
    run_blocking(group.at(0), accept(this));
    return made;
  }

  loop_group group{1};
  std::unique_ptr<listener> listening;
  std::unique_ptr<stream> accepted;
};

TEST_F(stream_scene, memory_and_file_pieces_arrive_in_order_and_gathered) {
  file_bytes file(3u << 20);
  client peer = connect();
  std::string seen;
  bool reset = false;
  std::thread reading([&] { seen = peer.read_all(reset); });
  const auto before = counts();
  std::vector<slice> pieces{make_slice("head "), make_slice("fields "), file.all(), make_slice(" tail")};
  result<void> answer;
  run_blocking(group.at(0), send(this, pieces, 10s, &answer));
  EXPECT_TRUE(answer);
  run_blocking(group.at(0), end(this, false));
  reading.join();
  const std::string body(reinterpret_cast<const char*>(file.bytes), file.length);
  EXPECT_TRUE(seen == "head fields " + body + " tail");
  EXPECT_FALSE(reset);
  EXPECT_GE(counts().sendfiles - before.sendfiles, 1u);
  EXPECT_EQ(counts().sends - before.sends,
            2u); // what stands before the file in one call, what stands behind in another
}

TEST_F(stream_scene, small_pieces_leave_in_one_call) {
  client peer = connect();
  const auto before = counts();
  file_bytes file(4'096); // below the sendfile threshold
  std::vector<slice> pieces{make_slice("head\r\n"), make_slice("more\r\n"), file.all()};
  result<void> answer;
  run_blocking(group.at(0), send(this, pieces, 10s, &answer));
  EXPECT_TRUE(answer);
  EXPECT_EQ(counts().sends - before.sends, 1u);
  EXPECT_EQ(counts().sendfiles, before.sendfiles);
}

TEST_F(stream_scene, a_reader_that_takes_nothing_ends_by_the_stall_limit) {
  file_bytes file(64u << 20);
  client peer = connect();
  result<void> answer;
  run_blocking(group.at(0), send(this, {file.all()}, 100ms, &answer));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, error_kind::timeout);
}

/// The kernel calls a socket writable only when a third of its queue is free: here after more than a megabyte, for
/// which this reader takes longer than the limit. It moves all the time and must not be cut off.
TEST_F(stream_scene, a_slow_reader_that_moves_is_kept) {
  file_bytes file(8u << 20);
  client peer = connect();
  std::size_t taken = 0;
  std::thread reading([&] {
    char part[32'768];
    while (taken < 5u << 19) { // 2.5 MiB at 0.8 MB/s, the rest as it comes
      const ssize_t count = ::recv(peer.fd(), part, sizeof part, MSG_WAITALL);
      if (count <= 0) return;
      taken += static_cast<std::size_t>(count);
      std::this_thread::sleep_for(40ms); // the reader's pace, not a synchronisation
    }
    for (ssize_t count; (count = ::recv(peer.fd(), part, sizeof part, 0)) > 0;)
      taken += static_cast<std::size_t>(count);
  });
  result<void> answer;
  run_blocking(group.at(0), send(this, {file.all()}, 1s, &answer));
  EXPECT_TRUE(answer) << answer.error().message();
  run_blocking(group.at(0), end(this, !answer));
  reading.join();
  EXPECT_EQ(taken, file.length);
}

/// A deadline used to cancel every wait of its socket.
TEST_F(stream_scene, a_read_that_times_out_leaves_a_send_alone) {
  file_bytes file(32u << 20);
  client peer = connect();
  std::optional<result<void>> sent;
  group.at(0).spawn(testing::keep_outcome(send_pieces(this, {file.all()}), &sent));
  auto nothing = testing::outcome_of(group.at(0), read(this, 50ms));
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().kind, error_kind::timeout);
  std::size_t taken = 0;
  std::vector<char> part(1u << 20);
  while (taken < file.length) {
    const ssize_t count = ::recv(peer.fd(), part.data(), part.size(), 0);
    ASSERT_GT(count, 0);
    taken += static_cast<std::size_t>(count);
  }
  testing::eventually([&] {
    bool over = false;
    run_blocking(group.at(0), is_over(&sent, &over));
    return over;
  });
  EXPECT_TRUE(*sent);
}

/// What the peer has by now: loopback delivers within the call that sends.
std::size_t available(int fd) {
  std::vector<char> part(1u << 20);
  const ssize_t count = ::recv(fd, part.data(), part.size(), MSG_DONTWAIT | MSG_PEEK);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

/// 32 pieces followed by empty ones were sent with the promise of more, and waited for it.
TEST_F(stream_scene, empty_pieces_at_the_end_hold_nothing_back) {
  client peer = connect();
  std::vector<slice> pieces;
  for (int i = 0; i < 32; ++i) pieces.push_back(make_slice("x"));
  for (int i = 0; i < 40; ++i) pieces.emplace_back();
  result<void> answer;
  run_blocking(group.at(0), send(this, pieces, 10s, &answer));
  ASSERT_TRUE(answer);
  EXPECT_EQ(available(peer.fd()), 32u);
}

TEST_F(stream_scene, abort_is_a_reset_and_close_is_an_end) {
  for (const bool abort : {true, false}) {
    client peer = connect();
    result<void> answer;
    run_blocking(group.at(0), send(this, {make_slice("half")}, 10s, &answer));
    run_blocking(group.at(0), end(this, abort));
    bool reset = false;
    peer.read_all(reset);
    EXPECT_EQ(reset, abort);
  }
}

TEST_F(stream_scene, a_gone_peer_is_noticed_without_reading) {
  bool gone = true;
  {
    client peer = connect();
    run_blocking(group.at(0), look(this, &gone));
    EXPECT_FALSE(gone);
  }
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (!gone && std::chrono::steady_clock::now() < until) run_blocking(group.at(0), look(this, &gone));
  EXPECT_TRUE(gone);
}

struct told_arrivals {
  steady_time calm, sent_first, sent_last, overloaded, waited, calm_again;
};

/// One byte of the peer's, read a while later.
task<steady_time> arrival_of_byte(stream* from, int peer) {
  EXPECT_EQ(::send(peer, "x", 1, 0), 1);
  burn(2ms);
  std::array<std::byte, 16> room;
  const auto got = co_await from->read_some(room, deadline::after(10s));
  EXPECT_EQ(got.value_or(0), 1u);
  co_return from->arrived();
}

task<void> tell_arrivals(stream* from, int peer, told_arrivals* seen) {
  auto probe = std::make_unique<queue_probe>();
  seen->calm = co_await arrival_of_byte(from, peer);
  for (const auto until = deadline::after(20s); !wants_arrivals() && !until.passed();) {
    burn(9ms);
    queue_pressure({});
    co_await sleep_for(0ms);
  }
  // The kernel begins to stamp when it is asked first: the clocks are compared by the byte after that.
  for (const auto until = deadline::after(20s); seen->overloaded == steady_time{} && !until.passed();) {
    seen->sent_first = std::chrono::steady_clock::now();
    seen->overloaded = co_await arrival_of_byte(from, peer);
    seen->sent_last = std::chrono::steady_clock::now() - 2ms;
  }
  const std::string much(64u << 20, 'x');
  const slice piece = borrow(much);
  const auto sent = co_await from->send(std::span(&piece, 1), false, 1ms); // the peer reads nothing
  EXPECT_FALSE(sent);
  seen->waited = from->arrived();
  probe.reset();
  seen->calm_again = co_await arrival_of_byte(from, peer);
}

TEST_F(stream_scene, under_overload_it_tells_when_bytes_came) {
  client peer = connect();
  told_arrivals seen{};
  set_queue_delay_target(1ms);
  run_blocking(group.at(0), tell_arrivals(accepted.get(), peer.fd(), &seen));
  set_queue_delay_target(0ms);
  EXPECT_EQ(seen.calm, steady_time{});
  ASSERT_NE(seen.overloaded, steady_time{});
  constexpr auto rounding = 100us; // two clocks cannot be read at once
  EXPECT_GE(seen.overloaded, seen.sent_first - rounding);
  EXPECT_LE(seen.overloaded, seen.sent_last + rounding) << "it came, and lay there";
  EXPECT_EQ(seen.waited, steady_time{}) << "it waits for its own reader";
  EXPECT_EQ(seen.calm_again, steady_time{});
}

TEST_F(stream_scene, a_taken_port_is_noticed_although_ports_are_shared) {
  const std::string address = "127.0.0.1:" + std::to_string(listening->bound().port);
  const auto probed = probe_address(address);
  ASSERT_FALSE(probed);
  EXPECT_NE(probed.error().context.find(address), std::string::npos);
  EXPECT_FALSE(probe_address("nonsense"));
  EXPECT_FALSE(probe_address("127.0.0.1:99999"));
}

} // namespace
} // namespace forebay::net
