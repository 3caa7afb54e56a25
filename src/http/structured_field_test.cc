#include "http/structured_field.h"

#include <gtest/gtest.h>

#include "http/targeted_control.h"

namespace forebay::http::structured {
namespace {

const item* item_of(const dictionary& in, std::string_view key) {
  const member* found = find(in, key);
  return found == nullptr ? nullptr : std::get_if<item>(&found->value);
}

bare_item value_of(std::string_view text) {
  const auto parsed = parse_dictionary("a=" + std::string(text));
  EXPECT_TRUE(parsed.has_value()) << text;
  const item* found = parsed ? item_of(*parsed, "a") : nullptr;
  return found == nullptr ? bare_item(false) : found->value;
}

TEST(structured_field, reads_every_type) {
  EXPECT_EQ(value_of("42"), bare_item(std::int64_t{42}));
  EXPECT_EQ(value_of("-999999999999999"), bare_item(std::int64_t{-999999999999999}));
  EXPECT_EQ(value_of("4.5"), bare_item(4.5));
  EXPECT_EQ(value_of("\"a \\\"b\\\\\""), bare_item(std::string("a \"b\\")));
  EXPECT_EQ(value_of("*foo/bar:1"), bare_item(token{"*foo/bar:1"}));
  EXPECT_EQ(value_of(":aGk=:"), bare_item(bytes{"hi"}));
  EXPECT_EQ(value_of("?1"), bare_item(true));
  EXPECT_EQ(value_of("?0"), bare_item(false));
  EXPECT_EQ(value_of("@1659578233"), bare_item(date{1659578233}));
  EXPECT_EQ(value_of("%\"f%c3%bc\""), bare_item(display_string{"f\xc3\xbc"}));
}

TEST(structured_field, reads_members_parameters_and_inner_lists) {
  const auto parsed = parse_dictionary("a, b;x=1;y, c=(1 \"two\" three);q=0.5,\td=4, a=5");
  ASSERT_TRUE(parsed.has_value());
  ASSERT_EQ(parsed->size(), 4u);
  EXPECT_EQ(item_of(*parsed, "a")->value, bare_item(std::int64_t{5})) << "the last of equal keys counts";
  EXPECT_EQ(item_of(*parsed, "b")->with.size(), 2u);
  const auto* list = std::get_if<inner_list>(&find(*parsed, "c")->value);
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list->items.size(), 3u);
  EXPECT_EQ(list->with.front().second, bare_item(0.5));
  EXPECT_EQ(find(*parsed, "z"), nullptr);
}

TEST(structured_field, an_empty_field_is_an_empty_dictionary) {
  EXPECT_TRUE(parse_dictionary("")->empty());
  EXPECT_TRUE(parse_dictionary("   ")->empty());
}

TEST(structured_field, refuses_the_whole_of_what_is_malformed) {
  for (const char* text :
       {"A=1",    "a =1",     "a= 1", "a=1,",  ",a",        "a=1 b=2",    "a=&&",      "a=1000000000000000",
        "a=1.",   "a=1.2345", "a=-",  "a=\"x", "a=\"\\x\"", "a=:!!:",     "a=:aGk=",   "a=?2",
        "a=(1 2", "a=(1,2)",  "a;",   "a;X=1", "a=@1.5",    "a=%\"%zz\"", "a=\"\x7f\""}) {
    EXPECT_FALSE(parse_dictionary(text).has_value()) << text;
  }
}

TEST(structured_field, strings_are_escaped) { EXPECT_EQ(format_string("a\"b\\c\n"), "\"a\\\"b\\\\c?\""); }

header_table fields_of(std::initializer_list<std::pair<const char*, const char*>> list) {
  header_table made;
  for (const auto& [name, value] : list) made.add(name, value);
  return made;
}

TEST(targeted_control, prefers_our_own_name_and_falls_back_when_it_is_invalid) {
  const auto own = effective_cache_control(fields_of(
      {{"CDN-Cache-Control", "max-age=1"}, {"Forebay-Cache-Control", "max-age=2"}, {"Cache-Control", "no-store"}}));
  EXPECT_TRUE(own.targeted);
  EXPECT_EQ(own.directives.max_age, std::chrono::seconds(2));
  const auto second =
      effective_cache_control(fields_of({{"CDN-Cache-Control", "max-age=1"}, {"Forebay-Cache-Control", "max-age=2,"}}));
  EXPECT_EQ(second.directives.max_age, std::chrono::seconds(1));
  const auto none =
      effective_cache_control(fields_of({{"CDN-Cache-Control", "MAX-AGE=1"}, {"Cache-Control", "no-store"}}));
  EXPECT_FALSE(none.targeted);
  EXPECT_TRUE(none.directives.no_store);
}

TEST(targeted_control, a_member_of_the_wrong_type_only_restricts) {
  const auto odd = effective_cache_control(fields_of(
      {{"CDN-Cache-Control", "max-age=\"60\", public=1, no-store=\"x\", private=(a b), must-revalidate=?0"}}));
  EXPECT_FALSE(odd.directives.max_age.has_value());
  EXPECT_FALSE(odd.directives.is_public);
  EXPECT_TRUE(odd.directives.no_store);
  EXPECT_TRUE(odd.directives.is_private);
  EXPECT_FALSE(odd.directives.must_revalidate);
}

} // namespace
} // namespace forebay::http::structured
