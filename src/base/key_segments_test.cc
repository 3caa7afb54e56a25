#include "base/key_segments.h"

#include <gtest/gtest.h>

namespace forebay {
namespace {

using namespace std::string_view_literals;

TEST(key_segments, ways_up_as_any_server_reads_them) {
  for (const auto key : {".."sv, "a/../b"sv, "a/./b"sv, "./a"sv, "a/.."sv, "a/..;/b"sv, "a/..;v=1/b"sv, ".;/a"sv,
                         "a/..\\b"sv, "..\\a"sv, "a\\..;x"sv, "a\0b"sv}) {
    EXPECT_TRUE(leads_astray(key)) << key;
  }
  for (const auto key : {""sv, "a"sv, "a..b/c"sv, "...;/a"sv, "a;v=..;b/c"sv, "a//b"sv, ".hidden/x"sv, "t\\2m"sv}) {
    EXPECT_FALSE(leads_astray(key)) << key;
  }
}

} // namespace
} // namespace forebay
