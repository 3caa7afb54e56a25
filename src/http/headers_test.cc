#include "http/headers.h"

#include <gtest/gtest.h>

namespace forebay::http {
namespace {

std::string rendered(const header_table& table) {
  std::string out;
  table.render_to(out);
  return out;
}

TEST(headers, names_match_in_any_case_and_order_is_kept) {
  header_table table;
  table.add("Content-Type", "  text/plain\t");
  table.add("ETag", "\"a\"");
  EXPECT_EQ(table.get("content-TYPE"), "text/plain");
  EXPECT_FALSE(table.get("content"));
  EXPECT_TRUE(table.has("etag"));
  EXPECT_EQ(rendered(table), "Content-Type: text/plain\r\nETag: \"a\"\r\n");
}

TEST(headers, repeated_fields_are_joined) {
  header_table table;
  table.add("Vary", "a");
  table.add("X", "1");
  table.add("vary", "b");
  EXPECT_EQ(table.count("VARY"), 2u);
  EXPECT_EQ(table.get("vary"), "a");
  EXPECT_EQ(table.joined("vary"), "a, b");
  EXPECT_FALSE(table.joined("missing"));
}

TEST(headers, set_replaces_all_in_the_place_of_the_first) {
  header_table table;
  table.add("A", "1");
  table.add("B", "2");
  table.add("a", "3");
  table.set("a", "9");
  EXPECT_EQ(rendered(table), "a: 9\r\nB: 2\r\n");
  table.set("C", "4");
  EXPECT_EQ(rendered(table), "a: 9\r\nB: 2\r\nC: 4\r\n");
}

TEST(headers, remove_counts) {
  header_table table;
  table.add("A", "1");
  table.add("B", "2");
  table.add("a", "3");
  EXPECT_EQ(table.remove("a"), 2u);
  EXPECT_EQ(table.remove("a"), 0u);
  EXPECT_EQ(rendered(table), "B: 2\r\n");
}

TEST(headers, a_value_of_its_own_may_be_added) {
  header_table table;
  table.add("a", "0123456789");
  for (int i = 0; i < 200; ++i) table.add("a-name-that-makes-the-buffer-move", *table.get("a"));
  for (std::size_t i = 0; i < table.size(); ++i) EXPECT_EQ(table.at(i).value, "0123456789");
  table.set("a", *table.get("a"));
  EXPECT_EQ(table.get("a"), "0123456789");
}

TEST(headers, values_cannot_split_a_message) {
  header_table table;
  table.add("Location", "/x\r\nSet-Cookie: y");
  table.add("Bad\r\nName", std::string_view("a\0b", 3));
  const std::string text = rendered(table);
  EXPECT_EQ(text, "Location: /x  Set-Cookie: y\r\nBad  Name: a b\r\n");
}

TEST(headers, clear_keeps_nothing) {
  header_table table;
  table.add("a", "b");
  table.clear();
  EXPECT_EQ(table.size(), 0u);
  EXPECT_FALSE(table.has("a"));
}

TEST(headers, hop_by_hop_fields_go_and_those_that_connection_names) {
  header_table table;
  table.add("Connection", "close, X-Secret ,, keep-alive");
  table.add("X-Secret", "1");
  table.add("Keep-Alive", "timeout=5");
  table.add("Transfer-Encoding", "chunked");
  table.add("TE", "trailers");
  table.add("Upgrade", "h2c");
  table.add("Proxy-Authorization", "x");
  table.add("connection", "x-other");
  table.add("X-Other", "2");
  table.add("ETag", "\"e\"");
  remove_hop_by_hop(table);
  EXPECT_EQ(rendered(table), "ETag: \"e\"\r\n");
}

} // namespace
} // namespace forebay::http
