#include "front/web/multistatus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pugixml.hpp>

#include "net/loop.h"

namespace forebay::front {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> hrefs(const std::vector<dav_resource>& resources) {
  std::vector<std::string> found;
  for (const auto& one : resources) found.push_back(one.href);
  return found;
}

net::task<void> pull(http::body_source* body, std::size_t step, std::string* into) {
  for (;;) {
    auto piece = co_await body->next(step);
    if (!piece || piece->empty()) co_return;
    EXPECT_LE(piece->length_bytes(), step);
    into->append(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size());
  }
}

TEST(multistatus, depth) {
  http::header_table fields;
  EXPECT_EQ(parse_depth(fields), listing_depth::infinity);
  fields.set("Depth", "0");
  EXPECT_EQ(parse_depth(fields), listing_depth::zero);
  fields.set("Depth", "1");
  EXPECT_EQ(parse_depth(fields), listing_depth::one);
  fields.set("Depth", "Infinity");
  EXPECT_EQ(parse_depth(fields), listing_depth::infinity);
  fields.set("Depth", "2");
  EXPECT_FALSE(parse_depth(fields));
}

TEST(multistatus, an_object) {
  std::string text;
  append_response(text, {"/a/b%20c", false, 7, wall_time(std::chrono::seconds(784111777)), "\"x&y\""});
  EXPECT_THAT(text, HasSubstr("<D:href>/a/b%20c</D:href>"));
  EXPECT_THAT(text, HasSubstr("<D:resourcetype/>"));
  EXPECT_THAT(text, HasSubstr("<D:getcontentlength>7</D:getcontentlength>"));
  EXPECT_THAT(text, HasSubstr("<D:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</D:getlastmodified>"));
  EXPECT_THAT(text, HasSubstr("&amp;y"));
}

TEST(multistatus, collections_have_length_and_date_and_unknown_lengths_are_not_invented) {
  std::string text;
  append_response(text, {"/a/", true, {}, {}, {}});
  EXPECT_THAT(text, HasSubstr("<D:collection/>"));
  EXPECT_THAT(text, HasSubstr("<D:getcontentlength>0</D:getcontentlength>"));
  EXPECT_THAT(text, HasSubstr("<D:getlastmodified>Thu, 01 Jan 1970 00:00:00 GMT</D:getlastmodified>"));
  text.clear();
  append_response(text, {"/a/x", false, {}, {}, {}});
  EXPECT_THAT(text, Not(HasSubstr("getcontentlength")));
}

TEST(multistatus, one_level) {
  origin::listing listed;
  listed.entries = {{"d/", true, {}, {}, {}}, // the marker of the directory itself
                    {"d/x +=.nc", false, 3, wall_time(std::chrono::seconds(50)), {}},
                    {"d/sub/", true, {}, {}, {}},
                    {"elsewhere", false, 1, {}, {}}};
  const auto made = resources_of(listed.entries, "d/", "/ns/d", false);
  EXPECT_THAT(hrefs(made), ElementsAre("/ns/d/", "/ns/d/x%20%2B%3D.nc", "/ns/d/sub/"));
  EXPECT_TRUE(made[0].collection);
  EXPECT_EQ(made[0].modified, wall_time(std::chrono::seconds(50)));
  EXPECT_TRUE(made[2].collection);
}

TEST(multistatus, recursion_derives_directories_once) {
  origin::listing listed;
  listed.entries = {
      {"a/b/1", false, 1, {}, {}}, {"a/b/2", false, 1, {}, {}}, {"a/", true, {}, {}, {}}, {"c", false, 1, {}, {}}};
  const auto made = resources_of(listed.entries, "", "/ns/", true);
  EXPECT_THAT(hrefs(made), ElementsAre("/ns/", "/ns/a/", "/ns/a/b/", "/ns/a/b/1", "/ns/a/b/2", "/ns/c"));
}

TEST(multistatus, hrefs_have_one_spelling) {
  EXPECT_EQ(canonical_href("/a%2Bb/c+d/%C3%A9/\xc3\xa9"), "/a%2Bb/c%2Bd/%C3%A9/%C3%A9");
  EXPECT_EQ(canonical_href("/a&b"), "/a%26b");
}

TEST(multistatus, a_long_listing_comes_in_pieces_that_make_the_whole) {
  std::vector<dav_resource> resources;
  for (int i = 0; i < 1'000; ++i) resources.push_back({"/ns/" + std::to_string(i), false, 1, {}, {}});
  const std::string whole = render_multistatus(resources);
  const auto body = make_multistatus(resources);
  std::string pulled;
  net::loop_group loops(1);
  loops.start();
  net::run_blocking(loops.at(0), pull(body.get(), 1'000, &pulled));
  EXPECT_EQ(pulled, whole);
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(whole.c_str()));
  EXPECT_EQ(std::distance(document.document_element().begin(), document.document_element().end()), 1'000);
}

} // namespace
} // namespace forebay::front
