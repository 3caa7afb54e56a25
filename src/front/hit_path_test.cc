// What a hit costs that can be counted: system calls and allocations, over a real socket.
#include <arpa/inet.h>
#include <cstdlib>
#include <gtest/gtest.h>
#include <malloc.h>
#include <netinet/in.h>
#include <new>
#include <sys/socket.h>
#include <unistd.h>

#include "front/guarded_front.h"
#include "front/testing/front_scene.h"
#include "http/server.h"

namespace {
thread_local std::size_t allocations = 0;
thread_local std::ptrdiff_t held_bytes = 0;
} // namespace

// NOLINTBEGIN: replaced for the whole of this test program, as the language has it
void* operator new(std::size_t size) {
  ++allocations;
  void* const given = std::malloc(size == 0 ? 1 : size);
  if (given == nullptr) throw std::bad_alloc();
  held_bytes += static_cast<std::ptrdiff_t>(malloc_usable_size(given));
  return given;
}
void operator delete(void* given) noexcept {
  held_bytes -= static_cast<std::ptrdiff_t>(malloc_usable_size(given));
  std::free(given);
}
void operator delete(void* given, std::size_t) noexcept { operator delete(given); }
// NOLINTEND

namespace forebay::front {
namespace {

/// A blocking client of one connection.
class client {
public:
  explicit client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  }
  ~client() { ::close(fd_); }

  void send(std::string_view text) {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  /// Until `count` answers with bodies of `body_bytes` have come; the text of all of it.
  std::string receive(std::size_t count, std::size_t body_bytes) {
    std::string text;
    for (std::size_t at = 0; count > 0;) {
      const std::size_t end = text.find("\r\n\r\n", at);
      if (end != std::string::npos && text.size() >= end + 4 + body_bytes) {
        at = end + 4 + body_bytes;
        --count;
        continue;
      }
      char piece[65'536];
      const ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
      if (got <= 0) {
        ADD_FAILURE() << "the connection ended";
        break;
      }
      text.append(piece, static_cast<std::size_t>(got));
    }
    return text;
  }

private:
  int fd_;
};

class hit_path : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    auto limits = std::make_shared<guard_settings>();
    limits->requests_per_client = 1'000'000;
    auto data = std::shared_ptr<web_front>(front.get(), [](web_front*) {});
    guarded_ = std::make_shared<guarded_front>(data, std::make_shared<guard>(limits, system_clock()));
    net::run_blocking(loops->at(0), listen(&port_, guarded_));
  }

  /// Runs `round` until a run of it cost nothing on the loop; what the last one cost. (Each half second the loop looks
  /// after connections, which is no part of a hit.)
  struct cost {
    std::size_t allocations = 0;
    std::uint64_t reads = 0, sends = 0, sendfiles = 0;
  };
  cost cost_of(const std::function<void()>& round) {
    cost seen;
    for (int attempt = 0; attempt < 5; ++attempt) {
      const std::size_t first = allocated();
      const std::size_t before = allocated(), own = before - first; // what asking costs
      const auto calls = net::counts();
      round();
      const auto after = net::counts();
      seen = {allocated() - before - own, after.reads - calls.reads, after.sends - calls.sends,
              after.sendfiles - calls.sendfiles};
      if (seen.allocations == 0) break;
    }
    return seen;
  }

  /// Of the loop's thread.
  std::ptrdiff_t held() {
    std::ptrdiff_t bytes = 0;
    net::run_blocking(loops->at(0), read_held(&bytes));
    return bytes;
  }

  static constexpr std::string_view request = "GET /data/x HTTP/1.1\r\nHost: h\r\nUser-Agent: test\r\n\r\n";
  std::uint16_t port_ = 0;

private:
  std::size_t allocated() {
    std::size_t count = 0;
    net::run_blocking(loops->at(0), read_count(&count));
    return count;
  }
  static net::task<void> read_count(std::size_t* into) {
    *into = allocations;
    co_return;
  }
  static net::task<void> read_held(std::ptrdiff_t* into) {
    *into = held_bytes;
    co_return;
  }
  static net::task<void> listen(std::uint16_t* port, std::shared_ptr<http::handler> by) {
    auto opened = net::listener::open("127.0.0.1:0");
    EXPECT_TRUE(opened);
    *port = (*opened)->bound().port;
    net::loop::current().spawn(accept(std::shared_ptr<net::listener>(std::move(*opened)), by));
    co_return;
  }
  static net::task<void> accept(std::shared_ptr<net::listener> from, std::shared_ptr<http::handler> by) {
    for (;;) {
      auto stream = co_await from->accept();
      if (!stream) co_return;
      net::loop::current().spawn(
          http::serve_connection(std::move(*stream).adopt(), by, std::make_shared<http::server_limits>(), nullptr));
    }
  }
  std::shared_ptr<guarded_front> guarded_;
};

TEST_F(hit_path, a_hit_is_one_read_one_send_and_no_allocation) {
  client one(port_);
  const auto ask_once = [&] {
    one.send(request);
    one.receive(1, 1000);
  };
  for (int i = 0; i < 10; ++i) ask_once();
  constexpr int hits = 50;
  const cost seen = cost_of([&] {
    for (int i = 0; i < hits; ++i) ask_once();
  });
  EXPECT_EQ(seen.allocations, 0u);
  EXPECT_EQ(seen.reads, static_cast<std::uint64_t>(hits));
  EXPECT_EQ(seen.sends, static_cast<std::uint64_t>(hits));
  EXPECT_EQ(seen.sendfiles, 0u);
}

/// 20,000 of them shall fit into 300 MB: no buffers, since frames of coroutines, not counted here, take 4 KB.
TEST_F(hit_path, an_idle_connection_holds_little) {
  constexpr std::ptrdiff_t count = 200, bytes_max = 5'000;
  client first(port_);
  first.send(request);
  first.receive(1, 1000);
  const std::ptrdiff_t before = held();
  std::vector<std::unique_ptr<client>> all;
  for (int i = 0; i < count; ++i) {
    all.push_back(std::make_unique<client>(port_));
    for (int hit = 0; hit < 2; ++hit) {
      all.back()->send(request);
      all.back()->receive(1, 1000);
    }
  }
  const std::ptrdiff_t each = (held() - before) / count;
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LT(each, bytes_max) << each;
  EXPECT_GT(each, 1000) << "they are not counted";
}

TEST_F(hit_path, pipelined_hits_share_their_read_and_their_send) {
  client one(port_);
  std::string many;
  for (int i = 0; i < 16; ++i) many += request;
  for (int i = 0; i < 10; ++i) {
    one.send(many);
    one.receive(16, 1000);
  }
  const cost seen = cost_of([&] {
    one.send(many);
    const std::string text = one.receive(16, 1000);
    EXPECT_NE(text.find(bytes(0, 1000)), std::string::npos);
  });
  EXPECT_EQ(seen.allocations, 0u);
  EXPECT_EQ(seen.reads, 1u);
  EXPECT_EQ(seen.sends, 1u);
}

TEST_F(hit_path, a_range_of_a_large_object_is_a_head_and_a_piece_of_a_file) {
  origin->reads.set([](auto& state) { state.length_bytes = 4 << 20; });
  client one(port_);
  const auto range = [](std::uint64_t at) {
    return "GET /data/x HTTP/1.1\r\nHost: h\r\nRange: bytes=" + std::to_string(at) + "-" + std::to_string(at + 65'535) +
           "\r\n\r\n";
  };
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t at = 0; at < 4 << 20; at += 65'536) {
      one.send(range(at));
      one.receive(1, 65'536);
    }
  }
  const cost seen = cost_of([&] {
    for (const std::uint64_t at : {3'000'000, 100'000, 2'000'001}) {
      one.send(range(at));
      const std::string text = one.receive(1, 65'536);
      EXPECT_EQ(text.substr(text.size() - 65'536), bytes(at, at + 65'536));
    }
  });
  EXPECT_EQ(seen.reads, 3u);
  EXPECT_EQ(seen.sends, 3u);
  EXPECT_GE(seen.sendfiles, 3u); // one more where the socket's buffer was full, or two blocks meet
}

} // namespace
} // namespace forebay::front
