#include "base/units.h"

#include <gtest/gtest.h>

namespace forebay {
namespace {

using namespace std::chrono_literals;

TEST(units, sizes_are_read) {
  const std::pair<std::string_view, std::uint64_t> cases[] = {
      {"0", 0},
      {"4096", 4096},
      {"1B", 1},
      {"4KiB", 4096},
      {"1.5GiB", 1610612736},
      {"500MB", 500'000'000},
      {"4 GiB", 4ull << 30},
      {"4gib", 4ull << 30},
      {"1kb", 1000},
      {"0.5KiB", 512},
      {"1.25MB", 1'250'000},
      {"16383PiB", 16383ull << 50},
      {"18446744073709551615", UINT64_MAX},
      {"0.3KiB", 307},
  };
  for (const auto& [text, bytes] : cases) {
    const auto parsed = parse_size_bytes(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(units, bad_sizes_are_refused_with_what_was_expected) {
  for (const std::string_view text : {"",
                                      " ",
                                      "4G",
                                      "GiB",
                                      "-1",
                                      "+1",
                                      "1.GiB",
                                      ".5GiB",
                                      "1.5",
                                      "1.5B",
                                      "4  GiB",
                                      "4GiB ",
                                      " 4GiB",
                                      "18446744073709551616",
                                      "16384PiB",
                                      "1e3",
                                      "0x10",
                                      "1,5GiB",
                                      "1.0000000001GiB",
                                      "4GiBps",
                                      "1 "}) {
    const auto parsed = parse_size_bytes(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, error_kind::invalid_input);
    EXPECT_NE(parsed.error().context.find("expected"), std::string::npos);
  }
}

TEST(units, durations_are_read) {
  const std::pair<std::string_view, std::chrono::milliseconds> cases[] = {
      {"0", 0ms}, {"0s", 0ms},  {"250ms", 250ms}, {"30s", 30s},  {"1.5s", 1500ms},        {"5m", 5min},
      {"1h", 1h}, {"7d", 168h}, {"1H", 1h},       {"0.5d", 12h}, {"36525d", 36525 * 24h}, {"30 s", 30s},
  };
  for (const auto& [text, length] : cases) {
    const auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, length) << text;
  }
}

TEST(units, bad_durations_are_refused) {
  for (const std::string_view text :
       {"", "5", "1 hour", "-5s", "1h30m", "0.5ms", "36526d", "99999999999999999999s", "s", "5 m s"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().context.find("expected"), std::string::npos);
  }
}

TEST(units, sizes_are_written_short_and_read_back) {
  const std::pair<std::uint64_t, std::string_view> cases[] = {
      {0, "0"},
      {1, "1"},
      {4096, "4KiB"},
      {1500, "1500"},
      {1000, "1KB"},
      {1024, "1KiB"},
      {4ull << 30, "4GiB"},
      {500'000'000, "500MB"},
      {1610612736, "1536MiB"},
      {UINT64_MAX, "18446744073709551615"},
      {307, "307"},
  };
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(format_size(bytes), text);
    EXPECT_EQ(*parse_size_bytes(format_size(bytes)), bytes);
  }
}

TEST(units, durations_are_written_short_and_read_back) {
  const std::pair<std::chrono::milliseconds, std::string_view> cases[] = {
      {0ms, "0"},     {1ms, "1ms"}, {1500ms, "1500ms"}, {1s, "1s"},   {60s, "1m"},
      {90min, "90m"}, {1h, "1h"},   {24h, "1d"},        {168h, "7d"}, {-5ms, "0"},
  };
  for (const auto& [length, text] : cases) {
    EXPECT_EQ(format_duration(length), text);
    EXPECT_EQ(*parse_duration(format_duration(length)), std::max(length, 0ms));
  }
}

} // namespace
} // namespace forebay
