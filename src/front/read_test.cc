// Conditions, ranges and heads, without a cache.
#include "front/read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/answer.h"
#include "front/web/web_front.h"
#include "http/date.h"

namespace forebay::front {
namespace {

using kind = read_plan::kind;
using ::testing::HasSubstr;

const wall_time now = wall_time(std::chrono::seconds(1'700'000'000));

http::request get(std::initializer_list<std::pair<const char*, const char*>> fields, const char* method = "GET") {
  http::request asked;
  asked.head.method = method;
  asked.id = "request-1";
  for (const auto& [name, value] : fields) asked.head.fields.add(name, value);
  return asked;
}

cache::stored_head head(std::optional<std::uint64_t> length = 1'000) {
  cache::stored_head made;
  made.fields.add("ETag", "\"v1\"");
  made.fields.add("Content-Type", "application/x-netcdf");
  made.fields.add("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
  std::string rendered;
  made.fields.render_to(rendered);
  made.rendered = std::make_shared<const std::string>(rendered);
  made.validators.tag = http::etag{false, "v1"};
  made.validators.last_modified = http::parse_date("Sun, 06 Nov 1994 08:49:37 GMT", now);
  made.date = "Tue, 14 Nov 2023 22:13:20 GMT";
  made.date_value = now;
  made.length_bytes = length;
  return made;
}

read_plan plan(const http::request& asked, const cache::stored_head& of) {
  return plan_read(asked, of, asked_ranges(asked, http::max_ranges), now);
}

TEST(read_plan, ranges) {
  EXPECT_EQ(plan(get({}), head()).what, kind::whole);
  const auto one = plan(get({{"Range", "bytes=10-19"}}), head());
  ASSERT_EQ(one.what, kind::one_range);
  EXPECT_EQ(one.ranges.front(), (byte_range{10, 20}));
  EXPECT_EQ(plan(get({{"Range", "bytes=-5"}}), head()).ranges.front(), (byte_range{995, 1000}));
  EXPECT_EQ(plan(get({{"Range", "bytes=0-0,500-"}}), head()).what, kind::many_ranges);
  EXPECT_EQ(plan(get({{"Range", "bytes=0-9,5-20"}}), head()).what, kind::one_range); // merged
  EXPECT_EQ(plan(get({{"Range", "bytes=1000-"}}), head()).what, kind::unsatisfiable);
  EXPECT_EQ(plan(get({{"Range", "bytes=5-1"}}), head()).what, kind::whole);
  EXPECT_EQ(plan(get({{"Range", "lines=1-2"}}), head()).what, kind::whole);
  EXPECT_EQ(plan(get({{"Range", "bytes=0-9"}}, "HEAD"), head()).what, kind::whole);
  EXPECT_EQ(plan(get({{"Range", "bytes=0-9"}}), head(std::nullopt)).what, kind::whole); // length not known yet
  EXPECT_EQ(plan(get({{"Range", "bytes=0-"}}), head(0)).what, kind::unsatisfiable);
}

TEST(read_plan, more_ranges_than_allowed_are_the_whole) {
  EXPECT_FALSE(asked_ranges(get({{"Range", "bytes=0-0,2-2,4-4"}}), 2));
  EXPECT_TRUE(asked_ranges(get({{"Range", "bytes=0-0,2-2"}}), 2));
}

TEST(read_plan, conditions_come_before_ranges) {
  EXPECT_EQ(plan(get({{"If-None-Match", "\"v1\""}, {"Range", "bytes=0-9"}}), head()).what, kind::not_modified);
  EXPECT_EQ(plan(get({{"If-Match", "\"v2\""}, {"Range", "bytes=0-9"}}), head()).what, kind::failed);
  EXPECT_EQ(plan(get({{"If-Match", "\"v1\""}, {"Range", "bytes=0-9"}}), head()).what, kind::one_range);
  EXPECT_EQ(plan(get({{"If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"}}), head()).what, kind::failed);
}

TEST(read_plan, if_range) {
  EXPECT_EQ(plan(get({{"If-Range", "\"v1\""}, {"Range", "bytes=0-9"}}), head()).what, kind::one_range);
  EXPECT_EQ(plan(get({{"If-Range", "\"v0\""}, {"Range", "bytes=0-9"}}), head()).what, kind::whole);
}

TEST(read_plan, only_a_200_has_conditions_and_ranges) {
  auto moved = head();
  moved.status = 301;
  EXPECT_EQ(plan(get({{"If-Match", "\"v2\""}, {"Range", "bytes=0-9"}}), moved).what, kind::whole);
}

TEST(answer, the_stored_fields_leave_by_reference) {
  const auto stored = head();
  const auto answer = begin_answer(stored, 200, portion::whole);
  EXPECT_EQ(answer.shared_fields, stored.rendered);
  EXPECT_EQ(answer.head.fields.get("date"), stored.date);
  EXPECT_FALSE(answer.head.fields.has("etag"));
}

TEST(answer, what_would_be_said_twice_is_left_out) {
  auto stored = head();
  stored.fields.add("Access-Control-Allow-Origin", "https://one.example");
  stored.fields.add("X-Request-Id", "of the origin");
  stored.fields.add("Via", "1.1 upstream");
  auto answer = begin_answer(stored, 200, portion::whole);
  EXPECT_EQ(answer.shared_fields, nullptr);
  EXPECT_EQ(answer.head.fields.get("etag"), "\"v1\"");
  add_node_fields(answer.head, get({}), "forebay; hit");
  EXPECT_EQ(answer.head.fields.joined("access-control-allow-origin"), "*");
  EXPECT_EQ(answer.head.fields.joined("x-request-id"), "request-1");
  EXPECT_EQ(answer.head.fields.joined("via"), "1.1 upstream, 1.1 forebay");
  EXPECT_EQ(answer.head.fields.joined("cache-status"), "forebay; hit");
}

TEST(answer, via_tells_the_version_of_its_origin) {
  auto stored = head();
  stored.version = 10;
  auto answer = begin_answer(stored, 200, portion::whole);
  add_node_fields(answer.head, get({}), "forebay; hit");
  EXPECT_EQ(answer.head.fields.joined("via"), "1.0 forebay");
}

TEST(answer, checksums_of_the_whole_do_not_go_with_a_part) {
  auto stored = head();
  stored.fields.add("x-amz-checksum-sha256", "abc");
  stored.fields.add("Content-MD5", "abc");
  const auto whole = begin_answer(stored, 200, portion::whole);
  EXPECT_NE(whole.shared_fields, nullptr);
  const auto part = begin_answer(stored, 206, portion::one_range);
  EXPECT_FALSE(part.head.fields.has("x-amz-checksum-sha256"));
  EXPECT_FALSE(part.head.fields.has("content-md5"));
  EXPECT_TRUE(part.head.fields.has("content-type"));
  EXPECT_FALSE(begin_answer(stored, 206, portion::many_ranges).head.fields.has("content-type"));
}

TEST(answer, a_304_carries_the_metadata_alone) {
  auto stored = head();
  stored.fields.add("Cache-Control", "max-age=60");
  const auto answer = begin_answer(stored, 304, portion::nothing);
  EXPECT_EQ(answer.shared_fields, nullptr);
  EXPECT_TRUE(answer.head.fields.has("etag"));
  EXPECT_TRUE(answer.head.fields.has("cache-control"));
  EXPECT_TRUE(answer.head.fields.has("date"));
  EXPECT_FALSE(answer.head.fields.has("content-type"));
}

TEST(answer, age) {
  http::header_table fields;
  add_age(fields, std::chrono::seconds(0), false);
  EXPECT_FALSE(fields.has("age"));
  add_age(fields, std::chrono::seconds(0), true);
  EXPECT_EQ(fields.get("age"), "0");
}

TEST(answer, boundaries_differ) { EXPECT_NE(make_boundary("a"), make_boundary("a")); }

TEST(pass_answer, conditions_that_the_origin_did_not_see) {
  http::response pass;
  pass.head.fields.add("ETag", "W/\"1\"");
  pass.length_bytes = 5;
  pass.body = http::make_body("12345");
  const auto answer = make_pass_answer(get({{"If-None-Match", "\"1\""}}), std::move(pass), now);
  EXPECT_EQ(answer.head.status, 304u);
  EXPECT_EQ(answer.body, nullptr);
  http::response other;
  other.head.fields.add("ETag", "\"2\"");
  EXPECT_EQ(make_pass_answer(get({{"If-None-Match", "\"1\""}}), std::move(other), now).head.status, 200u);
}

TEST(pass_answer, a_piece_of_another_version_than_the_reader_named) {
  using http::precondition;
  for (const unsigned status : {200u, 206u}) {
    http::response_head pass;
    pass.status = status;
    pass.fields.add("ETag", "\"2\"");
    EXPECT_EQ(check_pass(get({{"If-Match", "\"1\""}, {"Range", "bytes=0-9"}}), pass, now), precondition::failed);
    EXPECT_EQ(check_pass(get({{"If-Match", "\"2\""}, {"Range", "bytes=0-9"}}), pass, now), precondition::proceed);
    EXPECT_EQ(check_pass(get({{"If-None-Match", "\"2\""}}), pass, now), precondition::not_modified);
  }
  http::response_head missing;
  missing.status = 404;
  EXPECT_EQ(check_pass(get({{"If-Match", "\"1\""}}), missing, now), precondition::proceed);
}

TEST(cdn_loop, names_us) {
  http::header_table fields;
  EXPECT_FALSE(names_node_in_loop(fields, "near"));
  fields.add("CDN-Loop", "far; a=1, near; node=near, forebay; node=\"nearby\", forebay");
  EXPECT_FALSE(names_node_in_loop(fields, "near"));
  fields.add("CDN-Loop", "forebay;v=2 ; Node=\"near\"");
  EXPECT_TRUE(names_node_in_loop(fields, "near"));
  EXPECT_FALSE(names_node_in_loop(fields, ""));
}

} // namespace
} // namespace forebay::front
