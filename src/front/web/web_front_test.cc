// The data listener's answers, over a real cache.
#include "front/web/web_front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "front/testing/front_scene.h"
#include "front/web/propfind.h"

namespace forebay::front {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::seen_answer;
using ::testing::StartsWith;

class web_front_scene : public testing::front_scene {};

TEST_F(web_front_scene, get_then_hit) {
  const auto first = ask("GET", "/data/x");
  EXPECT_EQ(first.status, 200u);
  EXPECT_EQ(first.body, bytes(0, 1000));
  EXPECT_EQ(first.length_bytes, 1000u);
  EXPECT_THAT(first.field("cache-status"), StartsWith("forebay; fwd="));
  EXPECT_EQ(first.field("via"), "1.1 forebay");
  EXPECT_EQ(first.field("x-request-id"), "request-1");
  EXPECT_EQ(first.field("accept-ranges"), "bytes");
  EXPECT_EQ(first.field("etag"), "\"v1\"");
  EXPECT_FALSE(first.fields.has("age"));
  const auto second = ask("GET", "/data/x");
  EXPECT_EQ(second.body, bytes(0, 1000));
  EXPECT_THAT(second.field("cache-status"), StartsWith("forebay; hit"));
  EXPECT_EQ(second.field("age"), "0");
  EXPECT_EQ(origin->reads.bytes.load(), 1000u);
}

TEST_F(web_front_scene, head_tells_the_length_and_reads_nothing) {
  const auto answer = ask("HEAD", "/data/x");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.length_bytes, 1000u);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(origin->reads.bytes.load(), 0u);
}

TEST_F(web_front_scene, ranges) {
  const auto one = ask("GET", "/data/x", {{"Range", "bytes=10-19"}});
  EXPECT_EQ(one.status, 206u);
  EXPECT_EQ(one.field("content-range"), "bytes 10-19/1000");
  EXPECT_EQ(one.body, bytes(10, 20));
  const auto suffix = ask("GET", "/data/x", {{"Range", "bytes=-3"}});
  EXPECT_EQ(suffix.body, bytes(997, 1000));
  const auto beyond = ask("GET", "/data/x", {{"Range", "bytes=1000-"}});
  EXPECT_EQ(beyond.status, 416u);
  EXPECT_EQ(beyond.field("content-range"), "bytes */1000");
}

TEST_F(web_front_scene, several_ranges_are_one_multipart_body_of_the_length_that_was_said) {
  const auto answer = ask("GET", "/data/x", {{"Range", "bytes=0-1,500-501,-2"}});
  EXPECT_EQ(answer.status, 206u);
  EXPECT_THAT(answer.field("content-type"), StartsWith("multipart/byteranges; boundary="));
  EXPECT_EQ(answer.length_bytes, answer.body.size());
  for (const char* part : {"bytes 0-1/1000", "bytes 500-501/1000", "bytes 998-999/1000"})
    EXPECT_THAT(answer.body, HasSubstr(part));
  EXPECT_THAT(answer.body, HasSubstr(bytes(500, 502)));
  EXPECT_FALSE(answer.fields.has("content-range"));
}

TEST_F(web_front_scene, conditions) {
  EXPECT_EQ(ask("GET", "/data/x", {{"If-None-Match", "\"v1\""}}).status, 304u);
  EXPECT_EQ(ask("GET", "/data/x", {{"If-Match", "\"v1\""}}).status, 200u);
  EXPECT_EQ(ask("GET", "/data/x", {{"If-Match", "\"other\""}}).status, 412u);
  EXPECT_EQ(ask("GET", "/data/x", {{"If-Range", "\"other\""}, {"Range", "bytes=0-1"}}).status, 200u);
  EXPECT_EQ(ask("GET", "/data/x", {{"If-Range", "\"v1\""}, {"Range", "bytes=0-1"}}).status, 206u);
}

TEST_F(web_front_scene, without_a_validator_if_range_gets_the_whole) {
  origin->reads.set([](auto& state) { state.validator = false; });
  EXPECT_EQ(ask("GET", "/data/x", {{"Range", "bytes=0-1"}}).status, 206u);
  const auto answer = ask("GET", "/data/x", {{"If-Range", "\"v1\""}, {"Range", "bytes=0-1"}});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, bytes(0, 1000));
}

TEST_F(web_front_scene, an_empty_object) {
  origin->reads.set([](auto& state) { state.length_bytes = 0; });
  const auto answer = ask("GET", "/data/x");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.length_bytes, 0u);
  EXPECT_EQ(ask("GET", "/data/x", {{"Range", "bytes=0-0"}}).status, 416u);
}

TEST_F(web_front_scene, a_missing_object_is_404_and_a_dead_origin_is_not) {
  origin->reads.set([](auto& state) { state.missing = true; });
  const auto missing = ask("GET", "/data/x");
  EXPECT_EQ(missing.status, 404u);
  EXPECT_EQ(missing.field("content-type"), "application/problem+json");
  EXPECT_EQ(nlohmann::json::parse(missing.body)["origin"], "fake");
  EXPECT_THAT(missing.field("cache-status"), HasSubstr("fwd-status=404"));
  origin->reads.set([](auto& state) { state.failing = error{error_kind::unreachable, "fake", "no connection", true}; });
  const auto dead = ask("GET", "/data/y");
  EXPECT_EQ(dead.status, 502u);
  EXPECT_THAT(dead.field("cache-status"), Not(HasSubstr("fwd-status"))) << "it did not answer";
  EXPECT_EQ(ask("PROPFIND", "/data/y", {{"Depth", "0"}}).status, 502u);
  EXPECT_EQ(ask("HEAD", "/data/y").status, 502u);
}

TEST_F(web_front_scene, a_throttling_origin_is_heard) {
  origin->reads.set([](auto& state) {
    error slow{error_kind::throttled, "fake", "SlowDown"};
    slow.retry_after = std::chrono::seconds(9);
    state.failing = slow;
  });
  const auto answer = ask("GET", "/data/x");
  EXPECT_EQ(answer.status, 503u);
  EXPECT_EQ(answer.field("retry-after"), "9");
}

TEST_F(web_front_scene, what_breaks_before_the_first_byte_is_an_honest_status) {
  origin->reads.set([](auto& state) {
    state.cut_at = 0;
    state.cuts = 1'000;
  });
  const auto answer = ask("GET", "/data/x");
  EXPECT_GE(answer.status, 500u);
  EXPECT_FALSE(answer.broken);
}

TEST_F(web_front_scene, unknown_namespaces_say_what_there_is) {
  const auto answer = ask("GET", "/elsewhere/x?token=secret");
  EXPECT_EQ(answer.status, 404u);
  EXPECT_THAT(answer.body, HasSubstr("urn:forebay:unknown-namespace"));
  EXPECT_THAT(answer.body, HasSubstr("/data"));
  EXPECT_THAT(answer.body, Not(HasSubstr("secret")));
}

TEST_F(web_front_scene, paths_of_the_admin_listener_say_where_they_are) {
  for (const std::string path : {"/metrics", "/status", "/healthz", "/readyz", "/purge"}) {
    const auto answer = ask("GET", path);
    EXPECT_EQ(answer.status, 404u);
    const std::string detail = nlohmann::json::parse(answer.body)["detail"];
    EXPECT_THAT(detail, HasSubstr(path + " is on the admin listener (127.0.0.1:8081 by default)"));
  }
  EXPECT_THAT(ask("GET", "/elsewhere").body, Not(HasSubstr("admin")));
  make_space([](space::name_space& space) { space.path = "/metrics"; });
  EXPECT_EQ(ask("GET", "/metrics").status, 200u);
}

TEST_F(web_front_scene, the_root_is_a_page_about_the_node) {
  const auto json = ask("GET", "/");
  EXPECT_EQ(json.status, 200u);
  EXPECT_EQ(nlohmann::json::parse(json.body)["namespaces"][0], "/data");
  const auto html = ask("GET", "/", {{"Accept", "text/html,*/*"}});
  EXPECT_EQ(html.field("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(html.body, HasSubstr("<code>/data</code>"));
}

TEST_F(web_front_scene, methods) {
  const auto put = ask("PUT", "/data/x");
  EXPECT_EQ(put.status, 405u);
  EXPECT_EQ(put.field("allow"), "GET, HEAD, OPTIONS, PROPFIND");
  EXPECT_THAT(put.body, HasSubstr("write = true"));
  const auto trace = ask("TRACE", "/data/x");
  EXPECT_EQ(trace.status, 405u);
  EXPECT_THAT(trace.body, Not(HasSubstr("write = true")));
  EXPECT_EQ(ask("BREW", "/nowhere").status, 405u);
  const auto options = ask("OPTIONS", "/data/x", {{"Access-Control-Request-Method", "GET"}, {"Origin", "https://a"}});
  EXPECT_EQ(options.status, 204u);
  EXPECT_EQ(options.field("dav"), "1");
  EXPECT_EQ(options.field("access-control-allow-origin"), "*");
  EXPECT_THAT(options.field("access-control-allow-methods"), HasSubstr("GET"));
  EXPECT_EQ(ask("OPTIONS", "*").status, 204u);
}

TEST_F(web_front_scene, bad_paths_and_loops) {
  for (const char* path : {"/data/%2e%2e/x", "/data/a/../b", "/data/%zz", "/data/a%00b", "data"})
    EXPECT_EQ(ask("GET", path).status, 400u) << path;
  EXPECT_EQ(ask("GET", "/data/x", {{"CDN-Loop", "other, forebay; node=\"near\""}}).status, 508u);
  EXPECT_EQ(origin->reads.requests.load(), 0u);
}

TEST_F(web_front_scene, writes_pass_through_and_invalidate) {
  make_space([](space::name_space& space) { space.write = true; });
  EXPECT_EQ(ask("GET", "/data/x").status, 200u);
  origin->reads.set([](auto& state) { state.version = 2; });
  EXPECT_EQ(ask("GET", "/data/x").body, bytes(0, 1000, 1)); // fresh, as far as we know
  const auto put = ask("PUT", "/data/x", {{"Content-Type", "text/plain"}, {"Connection", "x-hop"}, {"X-Hop", "1"}});
  EXPECT_EQ(put.status, 201u);
  EXPECT_EQ(origin->writes, std::vector<std::string>{"PUT x"});
  EXPECT_TRUE(origin->written_fields.has("content-type"));
  EXPECT_FALSE(origin->written_fields.has("x-hop"));
  EXPECT_EQ(ask("GET", "/data/x").body, bytes(0, 1000, 2));
}

TEST_F(web_front_scene, a_write_invalidates_what_its_answer_names_at_the_same_host) {
  make_space([](space::name_space& space) { space.write = true; });
  for (const char* path : {"/data/d/a", "/data/b", "/data/c"}) ask("GET", path);
  origin->reads.set([](auto& state) { state.version = 2; });
  origin->write_answer_fields.add("Location", "d/a");
  origin->write_answer_fields.add("Content-Location", "http://node.example/data/b");
  ask("POST", "/data/x", {{"Host", "node.example"}});
  EXPECT_EQ(ask("GET", "/data/d/a").body, bytes(0, 1000, 2));
  EXPECT_EQ(ask("GET", "/data/b").body, bytes(0, 1000, 2));
  EXPECT_EQ(ask("GET", "/data/c").body, bytes(0, 1000, 1));
  origin->reads.set([](auto& state) { state.version = 3; });
  origin->write_answer_fields.set("Content-Location", "http://other.example/data/b");
  ask("POST", "/data/x", {{"Host", "node.example"}});
  EXPECT_EQ(ask("GET", "/data/b").body, bytes(0, 1000, 2)) << "no other host says what is here";
  origin->write_answer_fields.set("Content-Location", "/data/b");
  origin->write_status = 500;
  ask("POST", "/data/x", {{"Host", "node.example"}});
  EXPECT_EQ(ask("GET", "/data/b").body, bytes(0, 1000, 2)) << "nothing was written";
}

TEST_F(web_front_scene, a_digest_is_told_to_who_wants_it) {
  origin->reads.set([](auto& state) {
    state.length_bytes = 0;
    state.damaged = true; // the checksum of no bytes at all
  });
  EXPECT_FALSE(ask("GET", "/data/x").fields.has("repr-digest"));
  EXPECT_EQ(ask("GET", "/data/x", {{"Want-Repr-Digest", "crc32c=1"}}).field("repr-digest"), "crc32c=:AAAAAA==:");
  EXPECT_EQ(ask("HEAD", "/data/x", {{"Want-Repr-Digest", "crc32c=1"}}).field("repr-digest"), "crc32c=:AAAAAA==:");
  EXPECT_FALSE(ask("GET", "/data/x", {{"Want-Repr-Digest", "sha-256=1"}}).fields.has("repr-digest"));
}

TEST_F(web_front_scene, a_write_that_was_refused_invalidates_nothing_and_one_that_broke_does) {
  make_space([](space::name_space& space) { space.write = true; });
  ask("GET", "/data/x");
  origin->reads.set([](auto& state) { state.version = 2; });
  origin->write_status = 403;
  EXPECT_EQ(ask("DELETE", "/data/x").status, 403u);
  EXPECT_EQ(ask("GET", "/data/x").body, bytes(0, 1000, 1));
  origin->write_failure = error{error_kind::timeout, "fake", "no answer"};
  EXPECT_EQ(ask("DELETE", "/data/x").status, 504u);
  EXPECT_EQ(ask("GET", "/data/x").body, bytes(0, 1000, 2));
}

TEST_F(web_front_scene, propfind_of_an_object) {
  const auto answer = ask("PROPFIND", "/data/x", {{"Depth", "1"}});
  EXPECT_EQ(answer.status, 207u);
  EXPECT_THAT(answer.body, HasSubstr("<D:href>/data/x</D:href>"));
  EXPECT_THAT(answer.body, HasSubstr("<D:getcontentlength>1000</D:getcontentlength>"));
  EXPECT_EQ(origin->reads.bytes.load(), 0u);
}

TEST_F(web_front_scene, propfind_of_a_collection) {
  origin->reads.set([](auto& state) { state.missing = true; });
  origin->listed->entries = {{"d/a", false, 5, {}, {}}, {"d/e/", true, {}, {}, {}}};
  const auto answer = ask("PROPFIND", "/data/d", {{"Depth", "1"}});
  EXPECT_EQ(answer.status, 207u);
  EXPECT_EQ(origin->asked_listing.prefix, "d/");
  EXPECT_THAT(answer.body, HasSubstr("<D:href>/data/d/</D:href>"));
  EXPECT_THAT(answer.body, HasSubstr("<D:href>/data/d/a</D:href>"));
  EXPECT_THAT(answer.body, HasSubstr("<D:href>/data/d/e/</D:href>"));
  const auto zero = ask("PROPFIND", "/data/d", {{"Depth", "0"}});
  EXPECT_THAT(zero.body, Not(HasSubstr("/data/d/a")));
}

TEST_F(web_front_scene, propfind_above_the_namespaces_lists_them) {
  make_space([](space::name_space& space) { space.path = "/a b/c"; });
  const auto root = ask("PROPFIND", "/", {{"Depth", "1"}});
  EXPECT_EQ(root.status, 207u);
  EXPECT_THAT(root.body, HasSubstr("<D:href>/</D:href>"));
  EXPECT_THAT(root.body, HasSubstr("<D:href>/a%20b/</D:href>"));
  EXPECT_THAT(root.body, Not(HasSubstr("/c/")));
  for (const char* path : {"/a%20b", "/a%20b/"}) {
    const auto between = ask("PROPFIND", path, {{"Depth", "1"}});
    EXPECT_EQ(between.status, 207u) << path;
    EXPECT_THAT(between.body, HasSubstr("<D:href>/a%20b/</D:href>"));
    EXPECT_THAT(between.body, HasSubstr("<D:href>/a%20b/c/</D:href>"));
  }
  EXPECT_THAT(ask("PROPFIND", "/a%20b", {{"Depth", "0"}}).body, Not(HasSubstr("/c/")));
  EXPECT_EQ(ask("PROPFIND", "/", {{"Depth", "infinity"}}).status, 403u) << "an empty walk would be a lie";
  EXPECT_EQ(ask("PROPFIND", "/", {{"Depth", "7"}}).status, 400u);
  EXPECT_EQ(ask("PROPFIND", "/a", {{"Depth", "1"}}).status, 404u);
  EXPECT_EQ(origin->reads.requests.load(), 0u);
}

TEST_F(web_front_scene, propfind_tells_nothing_there_from_a_failure) {
  origin->reads.set([](auto& state) { state.missing = true; });
  EXPECT_EQ(ask("PROPFIND", "/data/d", {{"Depth", "1"}}).status, 404u);
  EXPECT_EQ(ask("PROPFIND", "/data/d/", {{"Depth", "1"}}).status, 404u);
  origin->listed = fail(error_kind::unreachable, "fake", "no connection");
  EXPECT_EQ(ask("PROPFIND", "/data/e", {{"Depth", "1"}}).status, 502u);
  origin->listed = fail(error_kind::unsupported, "fake", "it cannot list");
  EXPECT_EQ(ask("PROPFIND", "/data/e", {{"Depth", "1"}}).status, 404u);
  EXPECT_EQ(ask("PROPFIND", "/data/e/", {{"Depth", "1"}}).status, 501u);
  EXPECT_EQ(ask("PROPFIND", "/data/d/", {{"Depth", "7"}}).status, 400u);
}

TEST_F(web_front_scene, a_listing_that_is_too_long_is_no_short_one) {
  origin->listed->entries = {{"a", false, 5, {}, {}}};
  origin->listed->next = "more";
  EXPECT_EQ(ask("PROPFIND", "/data/", {{"Depth", "1"}}).status, 507u);
}

TEST_F(web_front_scene, listing_can_be_switched_off) {
  make_space([](space::name_space& space) { space.listing = false; });
  EXPECT_EQ(ask("PROPFIND", "/data/", {{"Depth", "1"}}).status, 501u);
}

TEST_F(web_front_scene, a_long_body_of_a_propfind_is_refused) {
  const auto answer =
      ask(*front, "PROPFIND", "/data/", {{"Depth", "1"}}, std::string(propfind_body_bytes_max + 1, 'x'));
  EXPECT_EQ(answer.status, 400u);
}

TEST_F(web_front_scene, refused_requests_close_the_connection) {
  const error why{error_kind::invalid_input, "request", "a bare LF"};
  const auto answer = front->refuse(why, 400);
  EXPECT_TRUE(answer.close);
  EXPECT_EQ(answer.head.status, 400u);
}

TEST_F(web_front_scene, exchanges_are_counted_by_outcome_and_money_is_saved) {
  auto& registry = metrics::global();
  const auto count = [&](std::string_view family, std::string_view part) {
    double sum = 0;
    for (const auto& row : registry.samples(family)) sum += row.labels.find(part) == std::string::npos ? 0 : row.value;
    return sum;
  };
  const double hits = count("forebay_requests_total", "outcome=\"hit\",method=\"GET\",status=\"2xx\"");
  const double saved = count("forebay_saved_usd_total", "/data");
  ask("GET", "/data/counted");
  ask("GET", "/data/counted");
  EXPECT_EQ(count("forebay_requests_total", "outcome=\"hit\",method=\"GET\",status=\"2xx\""), hits + 1);
  EXPECT_NEAR(count("forebay_saved_usd_total", "/data") - saved, 1'000 * 0.09 / 1e9, 1e-12);
  EXPECT_EQ(count("forebay_requests_in_flight", ""), 0);
}

} // namespace
} // namespace forebay::front
