#include "http/cache_control.h"

#include <gtest/gtest.h>

namespace forebay::http {
namespace {

using std::chrono::seconds;
using fields = std::vector<std::string>;

cache_control parse(std::string_view text) { return parse_cache_control(text); }

TEST(cache_control, reads_each_directive_in_any_case) {
  const auto all = parse("No-Store, no-cache,private , PUBLIC,must-revalidate,proxy-revalidate,must-understand,"
                         "no-transform,only-if-cached,immutable");
  EXPECT_TRUE(all.no_store && all.no_cache && all.is_private && all.is_public && all.must_revalidate);
  EXPECT_TRUE(all.proxy_revalidate && all.must_understand && all.no_transform && all.only_if_cached && all.immutable);
  const auto none = parse("");
  EXPECT_FALSE(none.no_store || none.no_cache || none.is_private || none.is_public || none.immutable);
  EXPECT_FALSE(none.max_age || none.s_maxage || none.max_stale || none.min_fresh || none.stale_if_error);
}

TEST(cache_control, reads_numbers) {
  const auto c =
      parse("max-age=10, s-maxage=\"20\", stale-while-revalidate=30,stale-if-error=40, max-stale=50,min-fresh=60");
  EXPECT_EQ(c.max_age, seconds(10));
  EXPECT_EQ(c.s_maxage, seconds(20));
  EXPECT_EQ(c.stale_while_revalidate, seconds(30));
  EXPECT_EQ(c.stale_if_error, seconds(40));
  EXPECT_EQ(c.max_stale, seconds(50));
  EXPECT_EQ(c.min_fresh, seconds(60));
  EXPECT_FALSE(c.max_stale_any);
  EXPECT_EQ(parse("max-age=0060").max_age, seconds(60));
}

TEST(cache_control, large_numbers_saturate) {
  EXPECT_EQ(parse("max-age=2147483647").max_age, seconds(2147483647));
  EXPECT_EQ(parse("max-age=2147483648").max_age, seconds(2147483647));
  EXPECT_EQ(parse("max-age=99999999999999999999999999999999999").max_age, seconds(2147483647));
}

TEST(cache_control, a_malformed_lifetime_is_stale) {
  for (const std::string_view text :
       {"max-age", "max-age=", "max-age=-1", "max-age=+1", "max-age=1.5", "max-age=a1", "max-age=1a", "max-age=\"1",
        "max-age='1'", "max-age =5", "max-age= 5", "max-age=5 6", "max-age=\"5\"6", "max-age=5;x", "max-age 5"}) {
    EXPECT_EQ(parse(text).max_age, seconds(0)) << text;
    EXPECT_EQ(parse(std::string("s-maxage") + std::string(text.substr(7))).s_maxage, seconds(0)) << text;
  }
}

TEST(cache_control, malformed_tolerances_do_not_count) {
  const auto c = parse("stale-if-error=x, stale-while-revalidate, min-fresh=-1, max-stale=x");
  EXPECT_FALSE(c.stale_if_error || c.stale_while_revalidate || c.min_fresh || c.max_stale || c.max_stale_any);
}

TEST(cache_control, repeated_directives) {
  EXPECT_EQ(parse("max-age=10, max-age=5, max-age=20").max_age, seconds(5));
  EXPECT_EQ(parse("max-age=10, max-age=x").max_age, seconds(0));
  EXPECT_EQ(parse("stale-if-error=10, stale-if-error=5").stale_if_error, seconds(10));
}

TEST(cache_control, empty_members_and_unknown_ones_are_skipped) {
  const auto c = parse(" ,, \t,foo, bar=\"x, no-store, y\",baz=1 ,, max-age=7 ,");
  EXPECT_EQ(c.max_age, seconds(7));
  EXPECT_FALSE(c.no_store);                                  // it stands inside a quoted value
  EXPECT_TRUE(parse("foo=\"a\\\", x\", no-store").no_store); // and here behind one with an escaped quote
  EXPECT_FALSE(parse("no-stores, xno-store, max-agee=1").no_store);
}

TEST(cache_control, a_quote_that_never_closes_hides_nothing) {
  const auto c = parse("foo=\"bar, no-store, max-age=5");
  EXPECT_TRUE(c.no_store);
  EXPECT_EQ(c.max_age, seconds(5));
}

TEST(cache_control, qualified_forms_name_fields) {
  const auto c = parse("no-cache=\"Set-Cookie, X-A,,\", private=authorization");
  EXPECT_FALSE(c.no_cache || c.is_private);
  EXPECT_EQ(c.no_cache_fields, (fields{"set-cookie", "x-a"}));
  EXPECT_EQ(c.private_fields, (fields{"authorization"}));
  const auto both = parse("no-cache=\"a\", no-cache");
  EXPECT_TRUE(both.no_cache);
  for (const std::string_view text : {"no-cache=", "no-cache=\"\"", "no-cache=\" , \"", "no-cache=\"a\" b"})
    EXPECT_TRUE(parse(text).no_cache) << text;
}

TEST(cache_control, arguments_do_not_weaken_what_forbids) {
  EXPECT_TRUE(parse("no-store=1").no_store);
  EXPECT_TRUE(parse("no-store=\"a\", x").no_store);
  EXPECT_TRUE(parse("must-revalidate=x").must_revalidate);
}

TEST(cache_control, max_stale_without_a_value_is_any) {
  const auto c = parse("max-stale");
  EXPECT_TRUE(c.max_stale_any);
  EXPECT_FALSE(c.max_stale);
}

} // namespace
} // namespace forebay::http
