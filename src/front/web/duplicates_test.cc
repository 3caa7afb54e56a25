// Other places of an object (RFC 6249): who is told of which.
#include "front/web/duplicates.h"

#include "front/testing/front_scene.h"
#include "origin/factory.h"

namespace forebay::front {
namespace {

std::string links(const std::vector<std::string>& origins, const std::vector<std::string>& mirrors,
                  const std::string& key, bool tell = true, const std::string& query = "") {
  auto made = std::make_shared<space::name_space>();
  for (const std::string& each : origins) {
    origin::source_settings settings;
    settings.operator_named = true;
    settings.credentials.push_back({"k", "id", "secret", "", "user", "password", ""});
    auto source = origin::make_source(each, settings);
    EXPECT_TRUE(source) << source.error().message();
    if (source) made->origins.push_back(std::move(*source));
  }
  made->mirrors = mirrors;
  made->tell_origins = tell;
  return links_to_duplicates({made, key, query});
}

TEST(duplicates, are_the_public_origins_and_then_the_mirrors) {
  EXPECT_EQ(links({"https://a.org/p/", "s3://bucket/p?region=eu-west-1&anonymous=true", "gs://bucket/p?anonymous=true",
                   "az://account/box/p?anonymous=true"},
                  {"https://m.org/x", "https://a.org/p"}, "d/a b>c"),
            "<https://a.org/p/d/a%20b%3Ec>; rel=duplicate; pri=1, "
            "<https://bucket.s3.eu-west-1.amazonaws.com/p/d/a%20b%3Ec>; rel=duplicate; pri=2, "
            "<https://storage.googleapis.com/bucket/p/d/a%20b%3Ec>; rel=duplicate; pri=3, "
            "<https://account.blob.core.windows.net/box/p/d/a%20b%3Ec>; rel=duplicate; pri=4, "
            "<https://m.org/x/d/a%20b%3Ec>; rel=duplicate; pri=5");
}

TEST(duplicates, do_not_name_what_takes_credentials_or_has_no_url) {
  EXPECT_EQ(
      links({"https://a.org/p?credentials=k", "s3://bucket?region=us-east-1&credentials=k", "file:///tmp"}, {}, "x"),
      "");
}

TEST(duplicates, are_told_where_the_namespace_says_so_and_of_keys_alone) {
  EXPECT_EQ(links({"https://a.org"}, {}, "x", false), "");
  EXPECT_EQ(links({"https://a.org"}, {"https://m.org"}, "x", false), "<https://m.org/x>; rel=duplicate; pri=1");
  EXPECT_EQ(links({"https://a.org"}, {"https://m.org"}, ""), "");
  EXPECT_EQ(links({"https://a.org"}, {"https://m.org"}, "x", true, "token=t"), "");
  EXPECT_EQ(links({"https://a.org"}, {}, std::string(2'000, 'x')), "");
}

class duplicates_scene : public testing::front_scene {};

TEST_F(duplicates_scene, go_with_what_was_asked_for) {
  make_space([](space::name_space& space) { space.mirrors = {"https://m.org/era5"}; });
  const std::string link = "<https://m.org/era5/x>; rel=duplicate; pri=1";
  for (const char* turn : {"miss", "hit"}) EXPECT_EQ(ask("GET", "/data/x").field("link"), link) << turn;
  EXPECT_EQ(ask("HEAD", "/data/x").field("link"), link);
  EXPECT_EQ(ask("GET", "/data/x", {{"Range", "bytes=1-2"}}).field("link"), link);
  EXPECT_EQ(ask("GET", "/data/x", {{"If-None-Match", "*"}}).field("link"), "");
  EXPECT_EQ(ask("GET", "/data/x", {{"If-Match", "\"other\""}}).field("link"), "");
  make_space([](space::name_space&) {});
  EXPECT_EQ(ask("GET", "/data/x").field("link"), "");
}

} // namespace
} // namespace forebay::front
