#include "http/range.h"

#include <gtest/gtest.h>

namespace forebay::http {
namespace {

constexpr std::uint64_t huge = UINT64_MAX;

struct bounds {
  std::optional<std::uint64_t> first, last;
};

void expect_specs(std::string_view value, std::vector<bounds> wanted) {
  const auto parsed = parse_range(value);
  ASSERT_TRUE(parsed) << value;
  ASSERT_EQ(parsed->size(), wanted.size()) << value;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ((*parsed)[i].first, wanted[i].first) << value << " member " << i;
    EXPECT_EQ((*parsed)[i].last, wanted[i].last) << value << " member " << i;
  }
}

TEST(range, every_legal_form_is_read) {
  expect_specs("bytes=0-499", {{0, 499}});
  expect_specs("BYTES=0-0", {{0, 0}});
  expect_specs("bytes=9500-", {{9500, {}}});
  expect_specs("bytes=-500", {{{}, 500}});
  expect_specs("bytes=-0", {{{}, 0}});
  expect_specs("bytes=000-007", {{0, 7}});
  expect_specs(" bytes=0-0,-1 ", {{0, 0}, {{}, 1}});
  expect_specs("bytes= 0-999 ,\t4500-5499, -1000", {{0, 999}, {4500, 5499}, {{}, 1000}});
  expect_specs("bytes=,, 1-2,,", {{1, 2}});
  expect_specs("bytes=0-18446744073709551615", {{0, huge}});
  expect_specs("bytes=18446744073709551615-", {{huge, {}}});
}

TEST(range, everything_else_is_ignored) {
  for (const std::string_view value : {"",
                                       "bytes",
                                       "bytes=",
                                       "bytes=,",
                                       "bytes= ,\t,",
                                       "bytes=-",
                                       "bytes=--1",
                                       "bytes=5-4",
                                       "bytes=0-1,5-4",
                                       "bytes=a-b",
                                       "bytes=0x1-2",
                                       "bytes=+1-2",
                                       "bytes=1-+2",
                                       "bytes=1 -2",
                                       "bytes=1- 2",
                                       "bytes = 0-1",
                                       "bytes 0-1",
                                       "bytes:0-1",
                                       "items=0-1",
                                       "bytesx=0-1",
                                       "byte=0-1",
                                       "bytes=0-1;2-3",
                                       "bytes=1",
                                       "bytes=1-2-3",
                                       "bytes=0-18446744073709551616",
                                       "bytes=18446744073709551616-",
                                       "bytes=-18446744073709551616",
                                       "bytes=99999999999999999999999999-",
                                       "bytes=1.5-2",
                                       "bytes=0-\xc2\xb9"}) {
    EXPECT_FALSE(parse_range(value)) << value;
  }
}

TEST(range, too_many_are_ignored_whole) {
  std::string value = "bytes=0-0";
  for (std::size_t i = 1; i < max_ranges; ++i) value += ",0-0";
  EXPECT_TRUE(parse_range(value));
  EXPECT_FALSE(parse_range(value + ",0-0"));
}

TEST(range, resolves_against_a_length) {
  const auto of = [](std::string_view value, std::uint64_t length) {
    return resolve(parse_range(value)->front(), length);
  };
  EXPECT_EQ(of("bytes=0-499", 1000), (byte_range{0, 500}));
  EXPECT_EQ(of("bytes=0-5000", 1000), (byte_range{0, 1000}));
  EXPECT_EQ(of("bytes=999-", 1000), (byte_range{999, 1000}));
  EXPECT_EQ(of("bytes=1000-", 1000), std::nullopt);
  EXPECT_EQ(of("bytes=-1", 1000), (byte_range{999, 1000}));
  EXPECT_EQ(of("bytes=-5000", 1000), (byte_range{0, 1000}));
  EXPECT_EQ(of("bytes=-0", 1000), std::nullopt);
  EXPECT_EQ(of("bytes=0-0", 0), std::nullopt);
  EXPECT_EQ(of("bytes=-5", 0), std::nullopt);
  EXPECT_EQ(of("bytes=0-18446744073709551615", huge), (byte_range{0, huge}));
  EXPECT_EQ(of("bytes=18446744073709551614-18446744073709551615", huge), (byte_range{huge - 1, huge}));
  EXPECT_EQ(of("bytes=18446744073709551615-", huge), std::nullopt);
  EXPECT_EQ(of("bytes=-18446744073709551615", huge), (byte_range{0, huge}));
}

TEST(range, content_range_is_read_and_checked) {
  const auto a = parse_content_range("bytes 0-499/1234");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->range, (byte_range{0, 500}));
  EXPECT_EQ(a->length_bytes, 1234u);
  const auto b = parse_content_range(" Bytes 5-5/* ");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->range, (byte_range{5, 6}));
  EXPECT_FALSE(b->length_bytes);
  const auto c = parse_content_range("bytes */0");
  ASSERT_TRUE(c);
  EXPECT_FALSE(c->range);
  EXPECT_EQ(c->length_bytes, 0u);
  for (const std::string_view value :
       {"", "bytes", "bytes ", "bytes 0-499", "bytes 0-499/", "bytes */*", "bytes 0-499/499", "bytes 5-4/10",
        "bytes -5/10", "bytes 5-/10", "bytes 0-18446744073709551615/*", "bytes 0-1/-1", "bytes=0-1/2", "items 0-1/2",
        "bytes 0-1/2/3", "bytes  0-1/2", "bytes 0-1/18446744073709551616", "bytes 0-1,3-4/9"}) {
    EXPECT_FALSE(parse_content_range(value)) << value;
  }
}

TEST(range, formats_read_back) {
  EXPECT_EQ(format_range({0, 500}), "bytes=0-499");
  EXPECT_EQ(format_content_range({5, 6}, 10), "bytes 5-5/10");
  EXPECT_EQ(format_content_range({5, 6}, std::nullopt), "bytes 5-5/*");
  EXPECT_EQ(format_unsatisfied_range(7), "bytes */7");
}

std::vector<byte_range> select(std::string_view value, std::uint64_t length) {
  return select_ranges(*parse_range(value), length);
}
using ranges = std::vector<byte_range>;

TEST(range, selected_in_the_order_asked) {
  EXPECT_EQ(select("bytes=500-599,0-9,-1", 1000), (ranges{{500, 600}, {0, 10}, {999, 1000}}));
  EXPECT_EQ(select("bytes=2000-,0-0", 1000), (ranges{{0, 1}}));
  EXPECT_EQ(select("bytes=2000-,-0", 1000), ranges{});
}

TEST(range, overlapping_and_touching_ones_are_merged) {
  EXPECT_EQ(select("bytes=0-9,10-19", 1000), (ranges{{0, 20}}));
  EXPECT_EQ(select("bytes=0-9,11-19", 1000), (ranges{{0, 10}, {11, 20}}));
  EXPECT_EQ(select("bytes=0-,0-,0-,0-", 1000), (ranges{{0, 1000}}));
  EXPECT_EQ(select("bytes=50-59,0-9,20-29,5-55", 1000), (ranges{{0, 60}}));
  EXPECT_EQ(select("bytes=900-909,0-9,20-29,5-25", 1000), (ranges{{900, 910}, {0, 30}}));
  EXPECT_EQ(select("bytes=20-29,900-909,0-9,9-20", 1000), (ranges{{0, 30}, {900, 910}}));
}

TEST(range, selection_never_sends_a_byte_twice) {
  // Every set of three ranges over a small object, against a table of bytes.
  constexpr std::uint64_t length = 6;
  std::vector<range_spec> all;
  for (std::uint64_t a = 0; a < length + 1; ++a)
    for (std::uint64_t b = a; b < length + 1; ++b) all.push_back({a, b});
  for (const auto& x : all)
    for (const auto& y : all)
      for (const auto& z : all) {
        std::vector<int> wanted(length), sent(length);
        for (const auto& spec : {x, y, z})
          for (std::uint64_t i = *spec.first; i <= *spec.last && i < length; ++i) wanted[i] = 1;
        const auto chosen = select_ranges({x, y, z}, length);
        for (const auto& range : chosen)
          for (std::uint64_t i = range.begin; i < range.end; ++i) ++sent[i];
        ASSERT_EQ(sent, wanted);
        for (std::size_t i = 0; i < chosen.size(); ++i)
          for (std::size_t j = 0; j < i; ++j)
            ASSERT_TRUE(chosen[i].end < chosen[j].begin || chosen[j].end < chosen[i].begin);
      }
}

TEST(range, multipart_knows_its_length) {
  const ranges chosen{{0, 10}, {20, 21}};
  const auto layout = make_multipart(chosen, 1000, "text/plain", "B");
  EXPECT_EQ(layout.content_type, "multipart/byteranges; boundary=B");
  ASSERT_EQ(layout.part_heads.size(), 2u);
  EXPECT_EQ(layout.part_heads[0], "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-9/1000\r\n\r\n");
  EXPECT_EQ(layout.part_heads[1], "\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 20-20/1000\r\n\r\n");
  EXPECT_EQ(layout.tail, "\r\n--B--\r\n");
  EXPECT_EQ(layout.length_bytes,
            layout.part_heads[0].size() + 10 + layout.part_heads[1].size() + 1 + layout.tail.size());
  EXPECT_EQ(make_multipart(chosen, 1000, "", "B").part_heads[0], "--B\r\nContent-Range: bytes 0-9/1000\r\n\r\n");
}

} // namespace
} // namespace forebay::http
