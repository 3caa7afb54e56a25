// Clients that are slow on purpose: bodies that trickle, readers that take a byte now and then.
#include <gtest/gtest.h>

#include "http/patience.h"
#include "http/testing/scripted_server.h"

namespace forebay::http {
namespace {

using namespace std::chrono_literals;

TEST(patience, a_byte_now_and_then_is_not_enough) {
  patience wait(30s, 100);
  steady_time now = steady_time{} + 1h;
  const steady_time end = wait.ends(now);
  for (int i = 0; i < 29; ++i) {
    wait.brought(1, now, now + 1s);
    now += 1s;
    EXPECT_EQ(wait.ends(now), end);
  }
  EXPECT_TRUE(wait.moves());
  wait.brought(71, now, now); // a hundred in all
  EXPECT_EQ(wait.ends(now), now + 30s);
  EXPECT_FALSE(wait.moves());
}

TEST(patience, what_the_user_of_the_bytes_takes_does_not_count) {
  patience wait(30s, 100);
  steady_time now = steady_time{} + 1h;
  for (int i = 0; i < 50; ++i) {
    now += 1min;
    EXPECT_EQ(wait.ends(now), now + 30s - i * 100ms);
    wait.brought(1, now, now + 100ms);
    now += 100ms;
  }
}

TEST(patience, no_least_means_a_byte) {
  patience wait(30s, 0);
  const steady_time now = steady_time{} + 1h;
  wait.brought(1, now, now + 29s);
  EXPECT_EQ(wait.ends(now + 29s), now + 59s);
}

/// As a front whose origin did not get the body whole.
class failing_front final : public handler {
public:
  net::task<response> handle(request& asked) override {
    bool whole = false;
    for (;;) {
      auto piece = co_await asked.body->next(1'000);
      whole = piece && piece->empty();
      if (!piece || piece->empty()) break;
    }
    co_return made(whole ? 201 : 502);
  }
  response refuse(const error&, unsigned status) override { return made(status); }

private:
  static response made(unsigned status) {
    response answer;
    answer.head.status = status;
    answer.length_bytes = 0;
    return answer;
  }
};

unsigned status_of_upload(const std::function<void(testing::wire&)>& script, std::uint64_t body_bytes = 1'000) {
  auto peer = std::make_shared<testing::wire>();
  script(*peer);
  auto limits = std::make_shared<server_limits>();
  limits->body_bytes = body_bytes;
  net::loop_group loops(1);
  loops.start();
  net::run_blocking(loops.at(0), serve_connection(std::make_unique<testing::scripted_stream>(peer),
                                                  std::make_shared<failing_front>(), limits, nullptr));
  EXPECT_NE(peer->sent.find("Connection: close"), std::string::npos) << peer->sent;
  return static_cast<unsigned>(std::stoul(peer->sent.substr(9, 3)));
}

TEST(slow_client, the_status_tells_whose_fault_a_body_was) {
  const std::string put = "PUT /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
  const std::string sized = put + "Content-Length: 10\r\n\r\n", chunked = put + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status_of_upload([&](auto& peer) { peer.says(sized + "12345").says("67890"); }), 201u);
  EXPECT_EQ(status_of_upload([&](auto& peer) { peer.says(sized + "12345").stalls(); }), 408u);
  EXPECT_EQ(status_of_upload([&](auto& peer) { peer.says(chunked + "5\r\nhello\r\n5\r\nworld\r\n"); }, 8), 413u);
  EXPECT_EQ(status_of_upload([&](auto& peer) { peer.says(chunked + "-1\r\n"); }), 400u);
  EXPECT_EQ(status_of_upload([&](auto& peer) { peer.says(sized + "12345"); }), 502u); // nobody reads it any more
}

} // namespace
} // namespace forebay::http
