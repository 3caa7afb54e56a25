#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/admin/purge_request.h"
#include "front/admin/status_page.h"

namespace forebay::front {
namespace {

using scope = purge_request::scope;
using ::testing::HasSubstr;

TEST(purge_request, scopes) {
  EXPECT_EQ(parse_purge(R"({"path": "/era5/x"})")->what, scope::object);
  EXPECT_EQ(parse_purge(R"({"path": "/era5/x"})")->value, "/era5/x");
  EXPECT_EQ(parse_purge(R"({"prefix": "/era5/a/"})")->what, scope::prefix);
  EXPECT_EQ(parse_purge(R"({"namespace": "/era5"})")->what, scope::name_space);
  EXPECT_EQ(parse_purge(R"({"tag": "run-42"})")->what, scope::tag);
}

TEST(purge_request, refuses_what_is_not_one_clear_wish) {
  for (const char* text : {"", "[]", "{}", R"({"path": "/a", "prefix": "/b"})", R"({"path": 5})", R"({"path": ""})",
                           R"({"path": "era5"})", R"({"tag": ""})", R"({"all": "/"})", "{\"path\": \"/a\""}) {
    const auto parsed = parse_purge(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, error_kind::invalid_input);
  }
  EXPECT_THAT(parse_purge(R"({"all": "/"})").error().context, HasSubstr("\"all\" is unknown"));
}

TEST(status_page, label_values) {
  const std::string labels = R"(origin="s3://a\"b\\c",tier="memory")";
  EXPECT_EQ(label_value(labels, "origin"), "s3://a\"b\\c");
  EXPECT_EQ(label_value(labels, "tier"), "memory");
  EXPECT_EQ(label_value(labels, "gin"), "");
}

} // namespace
} // namespace forebay::front
