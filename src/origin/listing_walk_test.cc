#include "origin/listing_walk.h"

#include <gtest/gtest.h>

#include <map>

namespace forebay::origin {
namespace {

using tree = std::map<std::string, std::vector<std::string>>;

/// The pages of a listing, entries joined by blanks; `looked` counts the directories.
std::vector<std::string> pages_of(const tree& all, list_request asked, std::size_t* looked = nullptr) {
  std::vector<std::string> pages;
  do {
    listing_walk walk(asked, 8);
    while (const auto directory = walk.next_directory()) {
      if (looked != nullptr) ++*looked;
      std::vector<list_entry> entries;
      for (const std::string& name : all.at(*directory)) {
        list_entry each;
        each.key = *directory + name;
        each.directory = name.ends_with('/');
        entries.push_back(std::move(each));
      }
      walk.found(std::move(entries));
    }
    const listing page = walk.take();
    std::string text;
    for (const list_entry& each : page.entries) text += each.key + " ";
    pages.push_back(text);
    asked.continuation = page.next;
  } while (!asked.continuation.empty() && pages.size() < 100);
  return pages;
}

const tree sample{{"", {"b", "a/", "a-x", "c/"}}, {"a/", {"2", "1", "d/"}}, {"a/d/", {"z"}}, {"c/", {}}};

list_request request(std::string prefix, bool recursive, std::size_t most) {
  list_request asked;
  asked.prefix = std::move(prefix);
  asked.recursive = recursive;
  asked.max_entries = most;
  return asked;
}

TEST(listing_walk, entries_come_in_the_order_of_their_bytes) {
  EXPECT_EQ(pages_of(sample, request("", false, 100)), std::vector<std::string>{"a-x a/ b c/ "});
  EXPECT_EQ(pages_of(sample, request("", true, 100)), std::vector<std::string>{"a-x a/1 a/2 a/d/z b "});
}

TEST(listing_walk, pages_go_on_where_the_one_before_ended) {
  for (std::size_t most = 1; most < 7; ++most) {
    std::string whole, level;
    for (const auto& page : pages_of(sample, request("", true, most))) whole += page;
    for (const auto& page : pages_of(sample, request("", false, most))) level += page;
    EXPECT_EQ(whole, "a-x a/1 a/2 a/d/z b ") << most;
    EXPECT_EQ(level, "a-x a/ b c/ ") << most;
  }
}

TEST(listing_walk, a_prefix_need_not_be_a_directory) {
  EXPECT_EQ(pages_of(sample, request("a", false, 100)), std::vector<std::string>{"a-x a/ "});
  EXPECT_EQ(pages_of(sample, request("a/d", true, 100)), std::vector<std::string>{"a/d/z "});
  EXPECT_EQ(pages_of(sample, request("a/", false, 100)), std::vector<std::string>{"a/1 a/2 a/d/ "});
}

TEST(listing_walk, directories_before_the_page_are_not_looked_into) {
  list_request asked = request("", true, 100);
  asked.start_after = "a/d/z";
  std::size_t looked = 0;
  EXPECT_EQ(pages_of(sample, asked, &looked), std::vector<std::string>{"b "});
  EXPECT_EQ(looked, 4u) << "the root, a/ and a/d/ on the way, and c/";
  asked.start_after = "b";
  looked = 0;
  EXPECT_EQ(pages_of(sample, asked, &looked), std::vector<std::string>{""});
  EXPECT_EQ(looked, 2u);
}

} // namespace
} // namespace forebay::origin
