// The S3 front over a real cache and an origin that the test directs.
#include "front/s3/s3_front.h"

#include <gmock/gmock.h>

#include "cache/listings.h"
#include "front/testing/front_scene.h"
#include "origin/s3/sigv4.h"

namespace forebay::front::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::seen_answer;

class s3_scene : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    serve([](space::name_space& space) { space.bucket = "box"; });
  }
  void TearDown() override {
    s3.reset();
    keyed.reset();
    front_scene::TearDown();
  }
  void serve(const std::function<void(space::name_space&)>& change) {
    make_space(change);
    keyed = std::make_shared<s3_settings>();
    keyed->common = settings;
    keyed->keys = {{"me", "secret", {"bo*"}, true}, {"reader", "secret", {"*"}, false}};
    s3 = std::make_unique<s3_front>(*cache, keyed, nullptr);
  }
  seen_answer ask(const std::string& method, const std::string& target, field_list fields = {},
                  const std::string& body = {}) {
    return front_scene::ask(*s3, method, target, fields, body);
  }
  /// The same, signed as clients do.
  seen_answer ask_as(const char* id, const std::string& method, const std::string& target,
                     const std::string& body = {}) {
    const std::size_t mark = target.find('?');
    origin::s3::signed_request wanted{method, "node:9000", target.substr(0, mark),
                                      mark == std::string::npos ? "" : target.substr(mark + 1),
                                      std::string(origin::s3::unsigned_payload)};
    http::header_table fields;
    origin::s3::sign(wanted, fields, {id, "secret", ""}, "us-east-1", system_clock().wall());
    const auto value = [&fields](const char* name) { return std::string(fields.get(name).value_or("")); };
    const std::string date = value("x-amz-date"), hash = value("x-amz-content-sha256"), by = value("Authorization");
    const std::string length = std::to_string(body.size());
    return ask(method, target,
               {{"Host", "node:9000"},
                {"x-amz-date", date.c_str()},
                {"x-amz-content-sha256", hash.c_str()},
                {"Authorization", by.c_str()},
                {"Content-Length", length.c_str()}},
               body);
  }

  std::shared_ptr<s3_settings> keyed;
  std::unique_ptr<s3_front> s3;
};

TEST_F(s3_scene, an_object_with_its_ids) {
  const auto seen = ask("GET", "/box/a");
  EXPECT_EQ(seen.status, 200u);
  EXPECT_EQ(seen.body, bytes(0, 1'000));
  EXPECT_EQ(seen.field("etag"), "\"v1\"");
  EXPECT_EQ(seen.field("x-amz-request-id"), "request-1");
  EXPECT_EQ(seen.fields.count("x-amz-request-id"), 1u);
  EXPECT_THAT(seen.field("cache-status"), HasSubstr("fwd=uri-miss"));
  EXPECT_EQ(ask("GET", "/box/a", {{"Range", "bytes=-10"}}).body, bytes(990, 1'000));
}

TEST_F(s3_scene, conditions_and_ranges_fail_in_s3s_words) {
  EXPECT_EQ(ask("GET", "/box/a", {{"If-None-Match", "\"v1\""}}).status, 304u);
  const auto failed = ask("GET", "/box/a", {{"If-Match", "\"v2\""}});
  EXPECT_EQ(failed.status, 412u);
  EXPECT_THAT(failed.body, HasSubstr("<Code>PreconditionFailed</Code>"));
  const auto beyond = ask("GET", "/box/a", {{"Range", "bytes=1000-"}});
  EXPECT_EQ(beyond.status, 416u);
  EXPECT_THAT(beyond.body, HasSubstr("<Code>InvalidRange</Code>"));
  EXPECT_EQ(beyond.field("content-range"), "bytes */1000");
}

TEST_F(s3_scene, head_floods_are_answered_from_the_cache_also_for_what_is_not_there) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("HEAD", "/box/a").status, 200u);
  EXPECT_EQ(origin->reads.requests, 1u);
  origin->reads.set([](auto& state) { state.missing = true; });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("HEAD", "/box/none").status, 404u);
  EXPECT_EQ(origin->reads.requests, 2u);
  EXPECT_EQ(origin->asked_listing.max_entries, origin::list_request{}.max_entries); // nobody listed
}

TEST_F(s3_scene, a_dead_origin_is_503_and_never_a_missing_key) {
  using enum error_kind;
  for (const auto kind : {unreachable, timeout, broken, throttled, exhausted}) {
    origin->reads.set([kind](auto& state) { state.failing = error{kind, "fake", "as the test wants"}; });
    origin->listed = fail(kind, "fake", "as the test wants");
    for (const char* target : {"/box/dead", "/box?list-type=2"}) {
      const auto seen = ask("GET", target);
      EXPECT_EQ(seen.status, 503u);
      EXPECT_THAT(seen.body, Not(HasSubstr("NoSuch")));
    }
  }
}

TEST_F(s3_scene, buckets) {
  EXPECT_THAT(ask("GET", "/").body, HasSubstr("<Bucket><Name>box</Name>"));
  EXPECT_EQ(ask("HEAD", "/box").field("x-amz-bucket-region"), "us-east-1");
  EXPECT_THAT(ask("GET", "/box?location").body, HasSubstr("<LocationConstraint"));
  const auto none = ask("GET", "/none/key");
  EXPECT_EQ(none.status, 404u);
  EXPECT_THAT(none.body, HasSubstr("<Code>NoSuchBucket</Code>"));
  EXPECT_EQ(ask("GET", "/box?acl").status, 501u);
  EXPECT_EQ(ask("GET", "/box/a?partNumber=1").status, 501u);
  EXPECT_EQ(ask("GET", "/box/../a").status, 400u);
  EXPECT_EQ(origin->reads.requests, 0u);
}

TEST_F(s3_scene, a_listing_is_asked_for_once) {
  origin->listed->entries = {{"a", false, 5, {}, "\"x\""}, {"d/", true, {}, {}, {}}};
  for (int i = 0; i < 3; ++i) {
    const auto seen = ask("GET", "/box?list-type=2&delimiter=%2F&prefix=");
    EXPECT_THAT(seen.body, HasSubstr("<Key>a</Key>"));
    EXPECT_THAT(seen.body, HasSubstr("<CommonPrefixes><Prefix>d/</Prefix>"));
  }
  EXPECT_EQ(origin->asked_listing.max_entries, 1'000u);
  EXPECT_TRUE(origin->asked_listing.markers);
  EXPECT_EQ(cache->listings().usage_now().pages, 1u);
  EXPECT_THAT(ask("GET", "/box?max-keys=0").body, HasSubstr("<IsTruncated>false</IsTruncated>"));
  EXPECT_THAT(ask("GET", "/box?max-keys=x").body, HasSubstr("<Code>InvalidArgument</Code>"));
}

TEST_F(s3_scene, sizes_that_the_store_does_not_list_are_asked_for) {
  for (int i = 0; i < 40; ++i) origin->listed->entries.push_back({"k" + std::to_string(i), false, {}, {}, {}});
  const auto seen = ask("GET", "/box?list-type=2");
  EXPECT_THAT(seen.body, HasSubstr("<Key>k39</Key>"));
  EXPECT_THAT(seen.body, HasSubstr("<ETag>&quot;v1&quot;</ETag><Size>1000</Size>"));
  EXPECT_EQ(origin->reads.heads, 40u);
  EXPECT_EQ(ask("GET", "/box?list-type=2").body, seen.body);
  EXPECT_EQ(origin->reads.heads, 40u); // from the cache
}

TEST_F(s3_scene, a_listing_without_its_sizes_is_no_listing) {
  origin->listed->entries = {{"k", false, {}, {}, {}}};
  origin->reads.set([](auto& state) { state.missing = true; });
  EXPECT_THAT(ask("GET", "/box").body, Not(HasSubstr("<Key>")));
  origin->listed->entries = {{"l", false, {}, {}, {}}};
  origin->reads.set([](auto& state) { state.failing = error{error_kind::unreachable, "fake", "no connection"}; });
  EXPECT_EQ(ask("GET", "/box?prefix=l").status, 503u);
}

TEST_F(s3_scene, only_signed_requests_change_fields_of_the_answer) {
  const std::string target = "/box/a?response-content-type=text%2Fplain&response-content-disposition=attachment";
  EXPECT_THAT(ask("GET", target).body, HasSubstr("<Code>InvalidRequest</Code>"));
  EXPECT_THAT(ask_as("stranger", "GET", target).status, 400u);
  const auto seen = ask_as("reader", "GET", target);
  EXPECT_EQ(seen.status, 200u);
  EXPECT_EQ(seen.field("content-type"), "text/plain");
  EXPECT_EQ(seen.fields.count("content-type"), 1u);
  EXPECT_EQ(ask_as("reader", "GET", "/box/a?response-expires=a%0D%0Ab").status, 400u);
}

TEST_F(s3_scene, attributes) {
  const auto seen = ask("GET", "/box/a?attributes", {{"x-amz-object-attributes", "ETag,ObjectSize"}});
  EXPECT_THAT(seen.body, HasSubstr("<ETag>v1</ETag><ObjectSize>1000</ObjectSize></GetObject"));
}

TEST_F(s3_scene, a_namespace_that_is_not_public_asks_for_a_key) {
  serve([](space::name_space& space) {
    space.bucket = "box";
    space.is_public = false;
  });
  EXPECT_EQ(ask("GET", "/box/a").status, 403u);
  EXPECT_EQ(ask_as("stranger", "GET", "/box/a").status, 403u);
  EXPECT_EQ(front_scene::ask("GET", "/data/a").status, 403u); // nor does the data listener give it away
  EXPECT_THAT(ask("GET", "/").body, Not(HasSubstr("box")));
  EXPECT_EQ(ask_as("reader", "GET", "/box/a").status, 200u);
  EXPECT_EQ(ask("GET", "/box/a").status, 403u); // a hit, and no less refused
}

TEST_F(s3_scene, writes_need_a_writable_namespace_a_key_and_a_store_that_can) {
  EXPECT_EQ(ask_as("me", "PUT", "/box/a", "x").status, 405u);
  serve([](space::name_space& space) {
    space.bucket = "box";
    space.write = true;
  });
  EXPECT_EQ(ask("PUT", "/box/a", {{"Content-Length", "1"}}, "x").status, 403u);
  EXPECT_EQ(ask_as("reader", "PUT", "/box/a", "x").status, 403u);
  EXPECT_EQ(ask_as("stranger", "DELETE", "/box/a").status, 403u);
  EXPECT_TRUE(origin->writes.empty());
  EXPECT_EQ(ask_as("me", "PUT", "/box/a", "x").status, 200u);
  origin->write_failure = error{error_kind::unsupported, "fake", "it is read only"};
  EXPECT_EQ(ask_as("me", "PUT", "/box/a", "x").status, 501u);
}

TEST_F(s3_scene, browsers_may_ask) {
  const auto seen = ask("OPTIONS", "/box/a", {{"Origin", "https://x.org"}, {"Access-Control-Request-Method", "GET"}});
  EXPECT_EQ(seen.status, 200u);
  EXPECT_EQ(seen.field("access-control-allow-origin"), "*");
  EXPECT_THAT(seen.field("access-control-allow-methods"), HasSubstr("GET"));
}

} // namespace
} // namespace forebay::front::s3
