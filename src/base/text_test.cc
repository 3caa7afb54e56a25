#include "base/text.h"

#include <chrono>
#include <gtest/gtest.h>

namespace forebay {
namespace {

TEST(text, iequals_and_lower_are_ascii) {
  EXPECT_TRUE(iequals("Content-Length", "cONTENT-lENGTH"));
  EXPECT_FALSE(iequals("a", "ab"));
  EXPECT_FALSE(iequals("[", "{")); // 0x5b and 0x7b differ by the case bit only
  EXPECT_EQ(to_lower("AZ[\xc3\x84"), "az[\xc3\x84");
}

TEST(text, trim_takes_spaces_and_tabs_only) {
  EXPECT_EQ(trim(" \t a b \t"), "a b");
  EXPECT_EQ(trim("\t "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("\na\r"), "\na\r");
}

TEST(text, split_keeps_empty_pieces) {
  EXPECT_EQ(split("a,b", ','), (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(split(",a,,", ','), (std::vector<std::string_view>{"", "a", "", ""}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
}

TEST(text, parse_u64_takes_whole_numbers_only) {
  EXPECT_EQ(parse_u64("0"), 0u);
  EXPECT_EQ(parse_u64("007"), 7u);
  EXPECT_EQ(parse_u64("18446744073709551615"), UINT64_MAX);
  for (const std::string_view text : {"", "-1", "+1", " 1", "1 ", "1x", "0x1", "18446744073709551616", "1.0"}) {
    EXPECT_FALSE(parse_u64(text)) << text;
  }
}

TEST(text, percent_decode_decodes_once) {
  EXPECT_EQ(percent_decode("a%20b+c%2B%e4%B8%ad"), "a b+c+\xe4\xb8\xad");
  EXPECT_EQ(percent_decode("%2525"), "%25");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  EXPECT_EQ(percent_decode(""), "");
  for (const std::string_view text : {"%", "%2", "a%", "%zz", "%2g", "% 2", "%-1"})
    EXPECT_FALSE(percent_decode(text)) << text;
}

TEST(text, percent_encode_round_trips_every_byte) {
  EXPECT_EQ(percent_encode("a b/c+~\xc3\xa9", "/"), "a%20b/c%2B~%C3%A9");
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
}

struct glob_case {
  std::string_view pattern, path;
  bool matches;
};

TEST(text, glob_table) {
  const glob_case cases[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "a", true},
      {"a", "b", false},
      {"a", "", false},
      {"*", "", true},
      {"*", "abc", true},
      {"*", "a/b", false},
      {"*.nc", "x.nc", true},
      {"*.nc", "d/x.nc", false},
      {"*.nc", "x.nc4", false},
      {"a*b*c", "a--b--c", true},
      {"a*b*c", "a--c--b", false},
      {"**", "", true},
      {"**", "a/b/c", true},
      {"**/x", "x", true},
      {"**/x", "a/x", true},
      {"**/x", "a/b/x", true},
      {"**/x", "ax", false},
      {"**/x", "a/bx", false},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "ab", false},
      {"a/**/b", "a/xb", false},
      {"a/**", "a/", true},
      {"a/**", "a", false},
      {"a/**", "a/b/c", true},
      {"a**b", "a/x/b", true},
      {"**/**/x", "x", true},
      {"**/**/x", "p/q/r/x", true},
      {"?", "a", true},
      {"?", "/", false},
      {"?", "", false},
      {"a?c", "abc", true},
      {"[0-9]", "5", true},
      {"[0-9]", "a", false},
      {"[!0-9]", "a", true},
      {"[!0-9]", "5", false},
      {"[^a]", "b", true},
      {"[!a]", "/", false},
      {"[a-]", "-", true},
      {"[]]", "]", true},
      {"[abc", "[abc", true},
      {"[", "[", true},
      {"[]", "[]", true},
      {"[!]", "[!]", true},
      {"[z-a]", "m", false},
      {"[.-0]", "/", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"\\[a]", "[a]", true},
      {"a\\", "a\\", true},
      {"*.zarr/**/[0-9]*", "era5.zarr/t2m/0.0.0", true},
      {"*.zarr/**/[0-9]*", "era5.zarr/t2m/c/0/0/1", true},
      {"*.zarr/**/[0-9]*", "era5.zarr/t2m/.zarray", false},
      {"*.zarr/**/[0-9]*", "era5.zarr/0", true},
      {"*.zarr/**/[0-9]*", "v2/era5.zarr/t2m/0.0", false},
      {"**/*.zarr/**/[0-9]*", "v2/era5.zarr/t2m/0.0", true},
      {"*/*", "a/b", true},
      {"*/*", "a/b/c", false},
      {"***", "a/b", true},
      {"\xc3\xa9*", "\xc3\xa9t\xc3\xa9", true},
  };
  for (const glob_case& one : cases)
    EXPECT_EQ(glob_match(one.pattern, one.path), one.matches) << one.pattern << " on " << one.path;
}

TEST(text, glob_does_not_blow_up) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += i % 2 == 0 ? "*a" : "**a";
  pattern += "b";
  const std::string path(8192, 'a');
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(glob_match(pattern, path));
  EXPECT_TRUE(glob_match(pattern, path + "b"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)); // exponential would be years
  EXPECT_FALSE(glob_match(std::string(glob_pattern_bytes_max + 1, '*'), "a"));
  EXPECT_TRUE(glob_match(std::string(glob_pattern_bytes_max, '*'), "a/b"));
}

/// The definition of the pattern language, by recursion: slow and plain.
bool match_by_definition(std::string_view pattern, std::string_view path, bool segment_start) {
  if (pattern.empty()) return path.empty();
  if (pattern.substr(0, 2) == "**") {
    const auto rest = pattern.substr(2);
    if (segment_start && !rest.empty() && rest[0] == '/' && match_by_definition(rest.substr(1), path, true))
      return true;
    for (std::size_t i = 0; i <= path.size(); ++i) {
      if (match_by_definition(rest, path.substr(i), false)) return true;
    }
    return false;
  }
  if (pattern[0] == '*') {
    for (std::size_t i = 0; i <= path.size(); ++i) {
      if (match_by_definition(pattern.substr(1), path.substr(i), false)) return true;
      if (i < path.size() && path[i] == '/') return false;
    }
    return false;
  }
  if (path.empty()) return false;
  const bool fits = pattern[0] == '?' ? path[0] != '/' : pattern[0] == path[0];
  return fits && match_by_definition(pattern.substr(1), path.substr(1), pattern[0] == '/');
}

TEST(text, glob_agrees_with_its_definition_on_small_words) {
  std::uint32_t state = 7;
  const auto pick = [&state](std::string_view alphabet, std::size_t length) {
    std::string word;
    for (std::size_t i = 0; i < length; ++i) {
      state = state * 1664525 + 1013904223;
      word.push_back(alphabet[(state >> 16) % alphabet.size()]);
    }
    return word;
  };
  int matched = 0;
  for (int round = 0; round < 60'000; ++round) {
    const std::string pattern = pick("**a/?b", static_cast<std::size_t>(round % 8));
    const std::string path = pick("aab/", static_cast<std::size_t>(round / 8 % 8));
    const bool expected = match_by_definition(pattern, path, true);
    matched += expected;
    ASSERT_EQ(glob_match(pattern, path), expected) << pattern << " on " << path;
  }
  EXPECT_GT(matched, 1000);
}

TEST(text, nearest_word_finds_typing_mistakes) {
  const std::vector<std::string_view> keys{"memory", "threads", "name", "site", "disk", "coordinates"};
  EXPECT_EQ(nearest_word("memroy", keys), "memory");
  EXPECT_EQ(nearest_word("thread", keys), "threads");
  EXPECT_EQ(nearest_word("Name", keys), "name");
  EXPECT_EQ(nearest_word("cordinate", keys), "coordinates");
  EXPECT_EQ(nearest_word("quota", keys), "");
  EXPECT_EQ(nearest_word("", keys), "");
  EXPECT_EQ(nearest_word("x", {}), "");
  EXPECT_EQ(nearest_word(std::string(100'000, 'x'), keys), "");
}

TEST(text, to_valid_utf8_replaces_only_what_is_wrong) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x8c\x8d", "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x8c\x8d"},
      {"a\xff", "a\xef\xbf\xbd"},
      {"\xc3", "\xef\xbf\xbd"},
      {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
  };
  for (const auto& [text, valid] : cases) EXPECT_EQ(to_valid_utf8(text), valid);
}

TEST(text, xml_escape_covers_attributes) {
  EXPECT_EQ(xml_escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&apos;");
  EXPECT_EQ(xml_escape("a\nb\x01"), "a&#10;b\xef\xbf\xbd");
}

} // namespace
} // namespace forebay
