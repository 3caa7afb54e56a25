#include "http/etag.h"

#include <gtest/gtest.h>

#include "http/date.h"

namespace forebay::http {
namespace {

const wall_time now = wall_time(std::chrono::seconds(1'700'000'000));
const std::string t1 = "Sun, 06 Nov 1994 08:49:36 GMT", t2 = "Sun, 06 Nov 1994 08:49:37 GMT",
                  t3 = "Sun, 06 Nov 1994 08:49:38 GMT";
wall_time moment(const std::string& text) { return *parse_date(text, now); }

etag strong(std::string opaque) { return {false, std::move(opaque)}; }
etag weak(std::string opaque) { return {true, std::move(opaque)}; }

TEST(etag, single_tags) {
  EXPECT_EQ(parse_etag("\"abc\""), strong("abc"));
  EXPECT_EQ(parse_etag(" W/\"a,b\" "), weak("a,b"));
  EXPECT_EQ(parse_etag("\"\""), strong(""));
  EXPECT_EQ(parse_etag("\"\xc3\xa9!#\\\""), strong("\xc3\xa9!#\\"));
  for (const std::string_view text : {"", "abc", "\"abc", "abc\"", "w/\"abc\"", "W/abc", "W/", "\"a b\"", "\"a\"b\"",
                                      "\"a\", \"b\"", "\"a\tb\"", "*"})
    EXPECT_FALSE(parse_etag(text)) << text;
  EXPECT_EQ(strong("x").to_string(), "\"x\"");
  EXPECT_EQ(weak("x").to_string(), "W/\"x\"");
}

TEST(etag, lists) {
  const auto list = parse_etag_list(" , \"a,b\" ,W/\"c\",, bare ,");
  ASSERT_TRUE(list);
  EXPECT_FALSE(list->any);
  EXPECT_EQ(list->tags, (std::vector<etag>{strong("a,b"), weak("c"), strong("bare")}));
  EXPECT_TRUE(parse_etag_list(" * ")->any);
  for (const std::string_view text : {"", " ,, ", "\"a", "\"a\" \"b\"", "*, \"a\"", "\"a\", *", "\"a\"x", "a b", "W/"})
    EXPECT_FALSE(parse_etag_list(text)) << text;
}

TEST(etag, comparison) { // the table of RFC 9110 §8.8.3.2
  EXPECT_FALSE(strong_match(weak("1"), weak("1")));
  EXPECT_TRUE(weak_match(weak("1"), weak("1")));
  EXPECT_FALSE(weak_match(weak("1"), weak("2")));
  EXPECT_FALSE(strong_match(weak("1"), strong("1")));
  EXPECT_TRUE(weak_match(weak("1"), strong("1")));
  EXPECT_TRUE(strong_match(strong("1"), strong("1")));
}

struct given {
  const char* name;
  std::string value;
};

precondition evaluate(std::vector<given> fields, const validators& have, bool safe = true) {
  header_table request;
  for (const auto& field : fields) request.add(field.name, field.value);
  return evaluate_preconditions(request, have, safe, now);
}

const validators both{strong("a"), moment(t2)};
const validators weak_only{weak("a"), std::nullopt};
const validators date_only{std::nullopt, moment(t2)};
const validators nothing{};
constexpr auto proceed = precondition::proceed, not_modified = precondition::not_modified,
               failed = precondition::failed;

TEST(preconditions, if_match_compares_strongly) {
  EXPECT_EQ(evaluate({{"If-Match", "\"x\", \"a\""}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-Match", "\"x\""}}, both), failed);
  EXPECT_EQ(evaluate({{"If-Match", "\"x\""}, {"If-Match", "\"a\""}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-Match", "W/\"a\""}}, weak_only), failed);
  EXPECT_EQ(evaluate({{"If-Match", "\"a\""}}, weak_only), failed);
  EXPECT_EQ(evaluate({{"If-Match", "*"}}, nothing), proceed);
  EXPECT_EQ(evaluate({{"If-Match", "\"a\""}}, nothing), failed);
  EXPECT_EQ(evaluate({{"If-Match", "\"a"}}, both), failed);
}

TEST(preconditions, if_unmodified_since) {
  EXPECT_EQ(evaluate({{"If-Unmodified-Since", t1}}, both), failed);
  EXPECT_EQ(evaluate({{"If-Unmodified-Since", t2}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-Unmodified-Since", t3}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-Unmodified-Since", t1}}, weak_only), proceed); // no date to compare with
  EXPECT_EQ(evaluate({{"If-Unmodified-Since", "yesterday"}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-Unmodified-Since", t1}, {"If-Unmodified-Since", t1}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-Match", "\"a\""}, {"If-Unmodified-Since", t1}}, both), proceed); // If-Match wins
}

TEST(preconditions, if_none_match_compares_weakly) {
  EXPECT_EQ(evaluate({{"If-None-Match", "\"x\", W/\"a\""}}, both), not_modified);
  EXPECT_EQ(evaluate({{"If-None-Match", "a"}}, both), not_modified);
  EXPECT_EQ(evaluate({{"If-None-Match", "\"a\""}}, weak_only), not_modified);
  EXPECT_EQ(evaluate({{"If-None-Match", "\"x\""}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-None-Match", "*"}}, nothing), not_modified);
  EXPECT_EQ(evaluate({{"If-None-Match", "*"}}, nothing, false), failed);
  EXPECT_EQ(evaluate({{"If-None-Match", "\"a\""}}, both, false), failed);
  EXPECT_EQ(evaluate({{"If-None-Match", "\"a\""}}, date_only), proceed);
  EXPECT_EQ(evaluate({{"If-None-Match", "\"a"}}, both), proceed);
}

TEST(preconditions, if_modified_since_is_for_get_without_if_none_match) {
  EXPECT_EQ(evaluate({{"If-Modified-Since", t1}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-Modified-Since", t2}}, both), not_modified);
  EXPECT_EQ(evaluate({{"If-Modified-Since", t3}}, both), not_modified);
  EXPECT_EQ(evaluate({{"If-Modified-Since", t3}}, both, false), proceed);
  EXPECT_EQ(evaluate({{"If-Modified-Since", t3}}, weak_only), proceed);
  EXPECT_EQ(evaluate({{"If-Modified-Since", "x"}}, both), proceed);
  EXPECT_EQ(evaluate({{"If-None-Match", "\"x\""}, {"If-Modified-Since", t3}}, both), proceed); // If-None-Match wins
}

TEST(preconditions, the_order_of_the_standard) {
  EXPECT_EQ(evaluate({{"If-None-Match", "\"a\""}, {"If-Match", "\"x\""}}, both), failed);
  EXPECT_EQ(evaluate({{"If-None-Match", "\"a\""}, {"If-Match", "\"a\""}}, both), not_modified);
  EXPECT_EQ(evaluate({{"If-Unmodified-Since", t1}, {"If-None-Match", "\"a\""}}, both), failed);
  EXPECT_EQ(evaluate({}, both), proceed);
}

TEST(preconditions, fractions_of_a_second_do_not_count) {
  const validators fraction{std::nullopt, moment(t2) + std::chrono::milliseconds(400)};
  EXPECT_EQ(evaluate({{"If-Modified-Since", t2}}, fraction), not_modified);
  EXPECT_EQ(evaluate({{"If-Unmodified-Since", t2}}, fraction), proceed);
}

bool holds(std::vector<std::string> values, const validators& have, std::optional<wall_time> date) {
  header_table request;
  for (const auto& value : values) request.add("If-Range", value);
  return if_range_holds(request, have, date, now);
}

TEST(if_range, matches_strongly_or_not_at_all) {
  const auto date = moment(t3);
  EXPECT_TRUE(holds({}, nothing, std::nullopt));
  EXPECT_TRUE(holds({"\"a\""}, both, date));
  EXPECT_FALSE(holds({"\"b\""}, both, date));
  EXPECT_FALSE(holds({"W/\"a\""}, both, date));
  EXPECT_FALSE(holds({"\"a\""}, weak_only, date));
  EXPECT_FALSE(holds({"W/\"a\""}, weak_only, date));
  EXPECT_TRUE(holds({t2}, date_only, date));
  EXPECT_FALSE(holds({t1}, date_only, date));
  EXPECT_FALSE(holds({t3}, date_only, moment(t3) + std::chrono::hours(1))); // exact, not "at least"
  EXPECT_FALSE(holds({t2}, date_only, moment(t2)));                         // could have changed within that second
  EXPECT_FALSE(holds({t2}, date_only, std::nullopt));
  EXPECT_FALSE(holds({t2}, weak_only, date));
  EXPECT_FALSE(holds({"nonsense"}, both, date));
  EXPECT_FALSE(holds({"\"a\"", "\"a\""}, both, date));
}

} // namespace
} // namespace forebay::http
