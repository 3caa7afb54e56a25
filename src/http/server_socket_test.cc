// Connections over real sockets on loopback: what a script cannot show (resets, half-closed peers, large bodies).
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "http/testing/test_front.h"
#include "net/loop.h"
#include "net/slow_reader.h"

namespace forebay::http {
namespace {

using testing::test_front;

/// The longest that a test waits for the other side; only a broken test gets there.
constexpr timeval patience{20, 0};

net::task<void> accept_until_closed(std::shared_ptr<net::listener> from, std::shared_ptr<test_front> front,
                                    std::shared_ptr<const server_limits> limits,
                                    std::shared_ptr<std::atomic<bool>> draining) {
  for (;;) {
    auto came = co_await from->accept();
    if (!came) co_return;
    net::loop::current().spawn(serve_connection(std::move(*came).adopt(), front, limits, draining));
  }
}

net::task<void> open_listener(std::shared_ptr<net::listener>* into, std::uint16_t* port) {
  auto opened = net::listener::open("127.0.0.1:0");
  if (!opened) {
    ADD_FAILURE() << opened.error().message();
    co_return;
  }
  *port = (*opened)->bound().port;
  *into = std::move(*opened);
}

net::task<void> close_listener(std::shared_ptr<net::listener> which) {
  which->close();
  co_return;
}

/// A server on a loop of its own.
class served {
public:
  explicit served(server_limits with = {}) : limits(std::make_shared<const server_limits>(with)) {
    loops_.start();
    net::run_blocking(loops_.at(0), open_listener(&listener_, &port));
    loops_.at(0).spawn(accept_until_closed(listener_, front, limits, draining));
  }
  ~served() {
    net::run_blocking(loops_.at(0), close_listener(listener_));
    listener_.reset();
    loops_.stop();
  }

  std::shared_ptr<test_front> front = std::make_shared<test_front>();
  std::shared_ptr<const server_limits> limits;
  std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);
  std::uint16_t port = 0;

private:
  net::loop_group loops_{1};
  std::shared_ptr<net::listener> listener_;
};

/// A blocking client.
class client_socket {
public:
  explicit client_socket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~client_socket() { ::close(fd_); }
  client_socket(const client_socket&) = delete;
  client_socket& operator=(const client_socket&) = delete;

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void end_sending() { ::shutdown(fd_, SHUT_WR); }
  /// Reads to the end; `reset` tells whether it was one.
  std::string read_all() {
    std::string all;
    char piece[65536];
    for (;;) {
      const ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
      reset = got < 0 && errno == ECONNRESET;
      EXPECT_TRUE(got >= 0 || reset) << "nothing came";
      if (got <= 0) return all;
      all.append(piece, static_cast<std::size_t>(got));
    }
  }
  /// At most so many bytes of what comes next; 0 at the end.
  std::size_t read_some(std::size_t most) {
    std::string piece(most, ' ');
    const ssize_t got = ::recv(fd_, piece.data(), most, 0);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  /// Reads until `end` has come.
  std::string read_until(std::string_view end) {
    std::string all;
    char byte;
    while (all.size() < end.size() || std::string_view(all).substr(all.size() - end.size()) != end) {
      if (::recv(fd_, &byte, 1, 0) != 1) return all + "<cut>";
      all += byte;
    }
    return all;
  }
  bool reset = false;

private:
  int fd_;
};

std::string get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

TEST(server_socket, a_peer_that_stops_sending_still_gets_its_answers) {
  served server;
  client_socket client(server.port);
  client.send(get("/echo/1") + get("/long") + get("/echo/2"));
  client.end_sending();
  const std::string all = client.read_all();
  EXPECT_FALSE(client.reset);
  EXPECT_NE(all.find("\r\n\r\n/echo/1"), std::string::npos);
  EXPECT_EQ(all.substr(all.size() - 7), "/echo/2");
  EXPECT_GT(all.size(), test_front::long_bytes);
}

TEST(server_socket, a_broken_body_is_a_reset_and_not_an_end) {
  for (const char* target : {"/fails-midway", "/fails-midway-chunked", "/too-short"}) {
    served server;
    client_socket client(server.port);
    client.send(get(target));
    client.read_all();
    EXPECT_TRUE(client.reset) << target;
  }
}

TEST(server_socket, a_refusal_reaches_a_peer_that_goes_on_sending) {
  served server;
  client_socket client(server.port);
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nTransfer-Encoding: chunked\r\n\r\n" +
              std::string(100'000, 'x'));
  client.end_sending();
  const std::string all = client.read_all();
  EXPECT_FALSE(client.reset);
  EXPECT_EQ(all.substr(0, 26), "HTTP/1.1 400 Bad Request\r\n");
}

TEST(server_socket, heads_and_idle_connections_have_deadlines) {
  server_limits short_heads;
  short_heads.header_timeout = std::chrono::milliseconds(50);
  served server(short_heads);
  client_socket slow(server.port);
  slow.send("GET / HTTP/1.1\r\nHost");
  EXPECT_EQ(slow.read_all().substr(0, 28), "HTTP/1.1 408 Request Timeout");

  server_limits short_pauses;
  short_pauses.idle_timeout = std::chrono::milliseconds(50);
  served hasty(short_pauses);
  client_socket idle(hasty.port);
  idle.send(get("/echo/1"));
  const std::string all = idle.read_all();
  EXPECT_EQ(all.substr(all.size() - 7), "/echo/1");
  EXPECT_FALSE(idle.reset);
}

TEST(server_socket, a_reader_that_stands_still_is_broken_off) {
  server_limits short_stalls;
  short_stalls.send_stall = std::chrono::milliseconds(50);
  served server(short_stalls);
  client_socket client(server.port);
  client.send(get("/long"));
  // It looks at the head and then reads nothing: more than the kernel's buffers hold is still to come.
  client.read_until("\r\n\r\n");
  server.front->await_exchanges(1);
  const std::string rest = client.read_all();
  EXPECT_TRUE(client.reset);
  EXPECT_LT(rest.size(), test_front::long_bytes);
}

TEST(server_socket, a_reader_that_takes_a_little_now_and_then_is_broken_off) {
  server_limits short_stalls;
  short_stalls.send_stall = std::chrono::milliseconds(50);
  net::set_slow_reader_bytes(1ull << 40); // nobody is so quick
  served server(short_stalls);
  client_socket client(server.port);
  client.send(get("/long"));
  client.read_until("\r\n\r\n");
  // Reads on, a byte at a time, for as long as there is something: it moves, and never fast enough.
  std::size_t taken = 0;
  while (server.front->exchanges() == 0) taken += client.read_some(1);
  net::set_slow_reader_bytes(1);
  EXPECT_LT(taken + client.read_all().size(), test_front::long_bytes);
  EXPECT_TRUE(client.reset);
}

TEST(server_socket, an_idle_connection_ends_when_the_node_drains) {
  served server;
  client_socket client(server.port);
  client.send(get("/echo/1"));
  client.read_until("/echo/1");
  server.draining->store(true);
  EXPECT_EQ(client.read_all(), "");
  EXPECT_FALSE(client.reset);
}

TEST(server_socket, continue_and_chunks) {
  served server;
  client_socket client(server.port);
  client.send("PUT /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("5\r\nhello\r\n0\r\n\r\n" + get("/echo/2", "Connection: close\r\n"));
  const std::string all = client.read_all();
  EXPECT_NE(all.find("\r\n\r\nhelloHTTP/1.1 200 OK\r\n"), std::string::npos);
}

} // namespace
} // namespace forebay::http
