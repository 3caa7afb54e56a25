#include "http/date.h"

#include <gtest/gtest.h>

namespace forebay::http {
namespace {

using std::chrono::seconds;

wall_time at(std::int64_t unix_seconds) { return wall_time(seconds(unix_seconds)); }
const wall_time now = at(1'700'000'000); // 14 November 2023

TEST(date, the_three_forms_name_one_moment) {
  const wall_time wanted = at(784'111'777);
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", now), wanted);
  EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now), wanted);
  EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994", now), wanted);
  EXPECT_EQ(parse_date("Sun Nov 16 08:49:37 1994", now), wanted + std::chrono::days(10));
  EXPECT_EQ(parse_date("  sUN, 06 nOV 1994 08:49:37 gmt\t", now), wanted); // RFC 9111 §4.2
}

TEST(date, formats_and_reads_back) {
  EXPECT_EQ(format_date(at(784'111'777)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_date(at(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_date(at(0) + std::chrono::milliseconds(999)), "Thu, 01 Jan 1970 00:00:00 GMT");
  for (std::int64_t second = -3'000'000'000; second < 9'000'000'000; second += 86'411'777)
    EXPECT_EQ(parse_date(format_date(at(second)), now), at(second)) << second;
}

TEST(date, anything_else_is_no_date) {
  for (const std::string_view text : {"",
                                      "0",
                                      "-1",
                                      "now",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 08:49:37 +0000",
                                      "Sun, 06 Nov 1994 08:49:37 GMTx",
                                      "Sun, 06 Nov 1994 08:49 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 94 08:49:37 GMT",
                                      "Sun, 06-Nov-1994 08:49:37 GMT",
                                      "Sunday, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 06  Nov 1994 08:49:37 GMT",
                                      "Sun 06 Nov 1994 08:49:37 GMT",
                                      "Xxx, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Xxx 1994 08:49:37 GMT",
                                      "Sun, 32 Nov 1994 08:49:37 GMT",
                                      "Sun, 31 Nov 1994 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 29 Feb 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:60:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:61 GMT",
                                      "Sun, 06 Nov 1994 08:49:-7 GMT",
                                      "Sun Nov 6 08:49:37 1994",
                                      "Sun Nov 06 08:49:37 94",
                                      "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(parse_date(text, now)) << text;
  }
}

TEST(date, leap_days_and_leap_seconds) {
  EXPECT_EQ(parse_date("Thu, 29 Feb 2024 00:00:00 GMT", now), at(1'709'164'800));
  EXPECT_EQ(parse_date("Sat, 31 Dec 2016 23:59:60 GMT", now), at(1'483'228'800));
}

TEST(date, two_digit_years_lie_at_most_fifty_years_ahead) {
  EXPECT_EQ(parse_date("Sunday, 13-Nov-73 00:00:00 GMT", now), parse_date("Mon, 13 Nov 2073 00:00:00 GMT", now));
  EXPECT_EQ(parse_date("Sunday, 16-Nov-73 00:00:00 GMT", now), parse_date("Fri, 16 Nov 1973 00:00:00 GMT", now));
  EXPECT_EQ(parse_date("Sunday, 01-Jan-74 00:00:00 GMT", now), parse_date("Tue, 01 Jan 1974 00:00:00 GMT", now));
  EXPECT_EQ(parse_date("Sunday, 01-Jan-00 00:00:00 GMT", now), parse_date("Sat, 01 Jan 2000 00:00:00 GMT", now));
  const wall_time late = *parse_date("Sun, 01 Jan 2090 00:00:00 GMT", now); // the century ahead is nearer
  EXPECT_EQ(parse_date("Sunday, 01-Jan-05 00:00:00 GMT", late), parse_date("Thu, 01 Jan 2105 00:00:00 GMT", now));
}

TEST(date, dates_beyond_the_clock_are_its_ends_and_not_the_other_era) {
  const auto far = parse_date("Fri, 31 Dec 9999 23:59:59 GMT", now);
  ASSERT_TRUE(far);
  EXPECT_GT(*far, now + std::chrono::hours(24 * 365 * 200));
  const auto early = parse_date("Mon, 01 Jan 0001 00:00:00 GMT", now);
  ASSERT_TRUE(early);
  EXPECT_LT(*early, at(0));
}

} // namespace
} // namespace forebay::http
