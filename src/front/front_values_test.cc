// The pure parts that all fronts share: problems, targets, clients, published values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <thread>

#include "front/client_address.h"
#include "front/problem.h"
#include "front/published.h"
#include "front/target.h"
#include "net/loop.h"

namespace forebay::front {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

net::task<void> pull(http::body_source* body, std::string* into) {
  for (;;) {
    auto piece = co_await body->next(1 << 20);
    if (!piece || piece->empty()) co_return;
    into->append(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size());
  }
}

std::string text_of(http::response& answer) {
  std::string text;
  net::loop_group loops(1);
  loops.start();
  net::run_blocking(loops.at(0), pull(answer.body.get(), &text));
  return text;
}

TEST(problem, status_follows_the_kind) {
  EXPECT_EQ(status_of(error_kind::not_found), 404u);
  EXPECT_EQ(status_of(error_kind::gone), 410u);
  EXPECT_EQ(status_of(error_kind::forbidden), 403u);
  EXPECT_EQ(status_of(error_kind::throttled), 503u);
  EXPECT_EQ(status_of(error_kind::timeout), 504u);
}

TEST(problem, a_dead_origin_is_never_a_404) {
  for (const auto kind : {error_kind::unreachable, error_kind::broken, error_kind::timeout, error_kind::throttled,
                          error_kind::exhausted, error_kind::internal, error_kind::cancelled}) {
    EXPECT_GE(status_of(kind), 500u) << to_string(kind);
  }
}

TEST(problem, document_names_origin_and_cause) {
  error why{error_kind::unreachable, "origin s3://era5", "no connection"};
  auto answer = make_problem(why, {{}, "/era5/x", false});
  EXPECT_EQ(answer.head.status, 502u);
  EXPECT_EQ(answer.head.fields.get("content-type"), "application/problem+json");
  EXPECT_EQ(answer.head.fields.get("cache-control"), "no-store");
  const auto document = nlohmann::json::parse(text_of(answer));
  EXPECT_EQ(document["type"], "urn:forebay:unreachable");
  EXPECT_EQ(document["title"], "Bad Gateway");
  EXPECT_EQ(document["status"], 502);
  EXPECT_EQ(document["detail"], "no connection");
  EXPECT_EQ(document["instance"], "/era5/x");
  EXPECT_EQ(document["origin"], "origin s3://era5");
  EXPECT_EQ(document["cause"], "unreachable");
}

TEST(problem, retry_after_of_the_origin_is_passed_on) {
  error why{error_kind::throttled, "origin", "SlowDown"};
  why.retry_after = std::chrono::seconds(17);
  EXPECT_EQ(make_problem(why, {}).head.fields.get("retry-after"), "17");
  why.retry_after.reset();
  EXPECT_EQ(make_problem(why, {}).head.fields.get("retry-after"), "1");
  why.kind = error_kind::unreachable;
  EXPECT_FALSE(make_problem(why, {}).head.fields.has("retry-after"));
}

TEST(problem, head_has_the_length_and_no_body) {
  const error why{error_kind::not_found, "origin", "it is not there"};
  auto whole = make_problem(why, {{}, "/x", false});
  const auto head = make_problem(why, {{}, "/x", true});
  EXPECT_EQ(head.body, nullptr);
  EXPECT_EQ(head.length_bytes, whole.length_bytes);
  EXPECT_EQ(text_of(whole).size(), *whole.length_bytes);
}

TEST(problem, foreign_bytes_make_valid_json) {
  const error why{error_kind::not_found, "origin \xff", "no \"\xc3\x28\" here\n"};
  auto answer = make_problem(why, {{}, "/\xfe", false});
  const auto document = nlohmann::json::parse(text_of(answer), nullptr, false);
  EXPECT_FALSE(document.is_discarded());
}

TEST(problem, not_allowed_names_the_methods) {
  const auto answer = make_not_allowed("PUT", "GET, HEAD", {{}, "/x", false});
  EXPECT_EQ(answer.head.status, 405u);
  EXPECT_EQ(answer.head.fields.get("allow"), "GET, HEAD");
}

TEST(target, admin_paths) {
  EXPECT_TRUE(is_admin_path("/metrics"));
  EXPECT_TRUE(is_admin_path("/purge"));
  EXPECT_FALSE(is_admin_path("/"));
  EXPECT_FALSE(is_admin_path("/metrics/"));
  EXPECT_FALSE(is_admin_path("/era5/metrics"));
}

TEST(target, forms) {
  const auto origin = parse_target("/a%20b/c?x=%26y");
  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->path, "/a%20b/c");
  EXPECT_EQ(origin->query, "x=%26y");
  const auto absolute = parse_target("HTTP://host:8080/a?b");
  ASSERT_TRUE(absolute);
  EXPECT_EQ(absolute->path, "/a");
  EXPECT_EQ(absolute->query, "b");
  EXPECT_EQ(parse_target("http://host")->path, "/");
  EXPECT_EQ(parse_target("http://host?q")->query, "q");
  EXPECT_EQ(parse_target("*")->path, "*");
  EXPECT_EQ(parse_target("//a//b")->path, "//a//b"); // a path, not an authority
  EXPECT_EQ(parse_target("/a?b?c")->query, "b?c");
}

TEST(target, refuses) {
  for (const char* text : {"", "a", "ftp://host/a", "http:///a", "/a#b", "host:80"})
    EXPECT_FALSE(parse_target(text)) << text;
}

TEST(target, secrets_are_masked) {
  const std::string masked = mask_target("/b/k?X-Amz-Signature=abc&part=1&sig=def&Temp%5Furl%5Fsig=ghi&token=");
  EXPECT_EQ(masked, "/b/k?X-Amz-Signature=***&part=1&sig=***&Temp%5Furl%5Fsig=***&token=***");
  EXPECT_EQ(mask_target("/plain"), "/plain");
  EXPECT_EQ(mask_target("/q?signature"), "/q?signature"); // nothing behind it
}

net::ip_address address(std::string_view text) { return *net::ip_address::parse(text); }

TEST(client_address, only_trusted_proxies_are_believed) {
  http::header_table fields;
  fields.add("X-Forwarded-For", "198.51.100.7, 10.0.0.9");
  const std::vector trusted{*net::ip_network::parse("10.0.0.0/8")};
  EXPECT_EQ(client_address(address("203.0.113.5"), fields, trusted, false), address("203.0.113.5"));
  EXPECT_EQ(client_address(address("10.0.0.1"), fields, {}, false), address("10.0.0.1"));
  EXPECT_EQ(client_address(address("10.0.0.1"), fields, trusted, false), address("198.51.100.7"));
}

TEST(client_address, what_a_client_wrote_itself_does_not_count) {
  http::header_table fields;
  fields.add("X-Forwarded-For", "127.0.0.1, 198.51.100.7");
  const std::vector trusted{*net::ip_network::parse("10.0.0.0/8")};
  EXPECT_EQ(client_address(address("10.0.0.1"), fields, trusted, false), address("198.51.100.7"));
}

/// A proxy that writes the one passes the other as the client wrote it.
TEST(client_address, the_field_that_the_proxy_does_not_write_does_not_count) {
  http::header_table fields;
  fields.add("Forwarded", "for=192.0.2.1;proto=http, For=\"[2001:db8::7]:4711\"");
  fields.add("X-Forwarded-For", "192.0.2.99");
  const std::vector trusted{*net::ip_network::parse("10.0.0.0/8")};
  EXPECT_EQ(client_address(address("10.0.0.1"), fields, trusted, true), address("2001:db8::7"));
  EXPECT_EQ(client_address(address("10.0.0.1"), fields, trusted, false), address("192.0.2.99"));
}

TEST(client_address, words_end_the_walk) {
  http::header_table fields;
  fields.add("Forwarded", "for=192.0.2.1, for=unknown");
  const std::vector trusted{*net::ip_network::parse("10.0.0.0/8")};
  EXPECT_EQ(client_address(address("10.0.0.1"), fields, trusted, true), address("10.0.0.1"));
}

TEST(published, what_was_pinned_stays) {
  published<int> value(std::make_shared<const int>(1));
  const auto pinned = value.get();
  value.set(std::make_shared<const int>(2));
  EXPECT_EQ(*pinned, 1);
  EXPECT_EQ(*value.get(), 2);
}

TEST(published, readers_and_a_writer) {
  published<int> value(std::make_shared<const int>(0));
  std::atomic<bool> ending{false};
  std::vector<std::thread> readers;
  std::atomic<bool> ordered{true};
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      int seen = 0;
      while (!ending) {
        const int now = *value.get();
        if (now < seen) ordered = false;
        seen = now;
      }
    });
  }
  constexpr int rounds = 2000;
  for (int i = 1; i <= rounds; ++i) value.set(std::make_shared<const int>(i));
  ending = true;
  for (auto& one : readers) one.join();
  EXPECT_TRUE(ordered);
  EXPECT_EQ(*value.get(), rounds);
}

} // namespace
} // namespace forebay::front
