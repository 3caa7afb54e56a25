#include "front/guarded_front.h"

#include <gtest/gtest.h>

#include "front/client_network.h"
#include "front/problem.h"
#include "front/testing/front_scene.h"

namespace forebay::front {
namespace {

using namespace std::chrono_literals;

net::ip_address address(const char* text) { return *net::ip_address::parse(text); }

TEST(client_network, an_address_of_ipv4_and_a_64_of_ipv6) {
  EXPECT_EQ(client_network(address("192.0.2.1")), address("192.0.2.1"));
  EXPECT_NE(client_network(address("192.0.2.1")), client_network(address("192.0.2.2")));
  EXPECT_EQ(client_network(address("2001:db8:1:2:3:4:5:6")), address("2001:db8:1:2::"));
  EXPECT_EQ(client_network(address("2001:db8:1:2:ffff::")), address("2001:db8:1:2::"));
  EXPECT_NE(client_network(address("2001:db8:1:3::1")), address("2001:db8:1:2::"));
  EXPECT_EQ(client_network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
}

TEST(request_rate, a_burst_passes_and_then_the_rate) {
  request_rate rates;
  fake_clock time;
  const auto client = address("192.0.2.1");
  const auto passed = [&](unsigned asked) {
    unsigned count = 0;
    for (unsigned i = 0; i < asked; ++i) count += rates.take(client, 10, time.steady()) ? 0 : 1;
    return count;
  };
  EXPECT_EQ(passed(100), 20u);
  EXPECT_EQ(rates.take(client, 10, time.steady()), 1s);
  time.advance(500ms);
  EXPECT_EQ(passed(100), 5u);
  time.advance(1h);
  EXPECT_EQ(passed(100), 20u);
}

TEST(request_rate, clients_do_not_pay_for_each_other) {
  request_rate rates;
  fake_clock time;
  while (!rates.take(address("192.0.2.1"), 1, time.steady())) {}
  EXPECT_FALSE(rates.take(address("192.0.2.2"), 1, time.steady()));
}

TEST(request_rate, what_is_remembered_is_bounded) {
  request_rate rates;
  fake_clock time;
  const auto from_all = [&] {
    for (std::uint32_t i = 0; i < 2 * request_rate::clients_limit; ++i) {
      const auto byte = [i](unsigned shift) { return static_cast<std::uint8_t>(i >> shift); };
      rates.take(net::ip_address::from_v4({10, byte(16), byte(8), byte(0)}), 1, time.steady());
    }
  };
  from_all();
  EXPECT_LE(rates.clients(), request_rate::clients_limit);
  EXPECT_GT(rates.clients(), request_rate::clients_limit / 2);
  time.advance(1min); // all of them have their tokens again, and are forgotten when another comes
  for (std::uint8_t i = 0; i < 255; ++i) rates.take(net::ip_address::from_v4({192, 0, 2, i}), 1, time.steady());
  EXPECT_LT(rates.clients(), request_rate::clients_limit);
}

class guarded_scene : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    inner = std::shared_ptr<http::handler>(front.get(), [](http::handler*) {});
    guards = std::make_shared<guard>(std::make_shared<const guard_settings>(settings_now), time);
    guarded = std::make_unique<guarded_front>(inner, guards);
  }
  guard_settings settings_now{2, {*net::ip_network::parse("192.0.2.1")}};
  fake_clock time;
  std::shared_ptr<http::handler> inner;
  std::shared_ptr<guard> guards;
  std::unique_ptr<guarded_front> guarded;
};

TEST_F(guarded_scene, who_asks_too_often_is_told_to_wait_and_others_are_served) {
  const auto from = [&](const char* client) { return ask(*guarded, "GET", "/data/a", {{"X-Forwarded-For", client}}); };
  for (int i = 0; i < 4; ++i) EXPECT_EQ(from("198.51.100.1").status, 200u) << i;
  const auto refused = from("198.51.100.1");
  EXPECT_EQ(refused.status, 429u);
  EXPECT_EQ(refused.field("Retry-After"), "1");
  EXPECT_EQ(refused.field("Cache-Control"), "no-store");
  EXPECT_EQ(from("198.51.100.2").status, 200u);
  time.advance(1s);
  EXPECT_EQ(from("198.51.100.1").status, 200u);
}

TEST_F(guarded_scene, without_a_limit_nobody_is_counted) {
  guards->update(std::make_shared<const guard_settings>(guard_settings{0, {}}));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(*guarded, "HEAD", "/data/a").status, 200u);
}

TEST(problem, what_a_client_did_itself_is_429) {
  const error own{error_kind::exhausted, "client", "limits.unread_bytes_per_client"};
  EXPECT_EQ(status_of(own), 429u);
  EXPECT_EQ(status_of(error{error_kind::exhausted, "cache", "limits.fills"}), 503u);
  EXPECT_EQ(status_of(error{error_kind::not_found, "client", ""}), 404u);
}

} // namespace
} // namespace forebay::front
