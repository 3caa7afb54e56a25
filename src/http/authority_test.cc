#include "http/authority.h"

#include <gtest/gtest.h>

namespace forebay::http {
namespace {

TEST(authority, valid_hosts) {
  for (const std::string_view text : {"", "a", "example.org", "example.org:", "example.org:80", "127.0.0.1:65535",
                                      "[::1]", "[::1]:8080", "[::ffff:1.2.3.4]", "a_b-c.d~", "%41b", ":80"})
    EXPECT_TRUE(is_valid_authority(text)) << text;
  for (const std::string_view text :
       {"a b",  "a/b",   "user@a", "a,b",       "a:b",      "a:80:80", "a:65536", "a:-1", "a:99999999999999999999",
        "[::1", "::1",   "[::1]x", "[::1]x:80", "[zz]",     "%4",      "%zz",     "a?b",  "a#b",
        "a\\b", "\"a\"", "[]",     "<a>",       "a\xc3\xa9"})
    EXPECT_FALSE(is_valid_authority(text)) << text;
}

TEST(authority, sameness) {
  EXPECT_TRUE(same_authority("A.org", "a.ORG", "http"));
  EXPECT_TRUE(same_authority("a:80", "a", "http"));
  EXPECT_TRUE(same_authority("a:", "a:443", "https"));
  EXPECT_FALSE(same_authority("a:443", "a", "http"));
  EXPECT_FALSE(same_authority("a:80", "a", "https"));
  EXPECT_FALSE(same_authority("a", "b", "http"));
  EXPECT_TRUE(same_authority("[::1]:80", "[::1]", "HTTP"));
}

TEST(target, forms) {
  EXPECT_EQ(classify_target("GET", "/")->form, target_form::origin);
  EXPECT_EQ(classify_target("GET", "//a//b?c=http://d")->form, target_form::origin);
  EXPECT_EQ(classify_target("OPTIONS", "*")->form, target_form::asterisk);
  EXPECT_EQ(classify_target("CONNECT", "a:443")->form, target_form::authority);
  const auto absolute = classify_target("GET", "HTTP://a.org:81?x=/");
  ASSERT_TRUE(absolute);
  EXPECT_EQ(absolute->form, target_form::absolute);
  EXPECT_EQ(absolute->authority, "a.org:81");
  for (const std::string_view text : {"", "*", "a", "a/b", "a:80", "ftp://a/", "http:/a", "http:///a", "http://",
                                      "http://u@a/", "http://u:p@a/", "://a/", "/a#b", "http://a#b", "\\a", "?a"})
    EXPECT_FALSE(classify_target("GET", text)) << text;
  for (const std::string_view text : {"/", "a", "*", "http://a/", "a:b", "u@a:1", ""})
    EXPECT_FALSE(classify_target("CONNECT", text)) << text;
}

} // namespace
} // namespace forebay::http
