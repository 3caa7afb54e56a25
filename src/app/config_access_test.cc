// Namespaces whose origin decides: what goes together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/config.h"

namespace forebay::app {
namespace {

load_result<config> load_space(const std::string& lines) {
  load_input input;
  input.file_name = "forebay.toml";
  input.file_text = "[[namespace]]\npath = \"/d\"\n" + lines;
  input.machine = {2, 8ull << 30, false, "host-1"};
  input.touch_files = false;
  return load(input);
}

/// The first mistake's words; empty where there is none.
std::string mistake_of(const std::string& lines) {
  const auto made = load_space(lines);
  return made ? std::string() : made.error().front().message();
}

TEST(config_access, values_reach_the_policy) {
  const auto made = load_space("origins = [\"https://a.org/x?login=urs.org\"]\naccess = \"origin\"\n"
                               "access_ttl = \"10m\"\naccess_refused_ttl = \"1s\"\naccess_prefix_depth = 2\n");
  ASSERT_TRUE(made) << made.error().front().message();
  const auto& space = made->namespaces.front();
  EXPECT_TRUE(space.origin_decides());
  EXPECT_EQ(space.access_policy.ttl, std::chrono::minutes(10));
  EXPECT_EQ(space.access_policy.refused_ttl, std::chrono::seconds(1));
  EXPECT_EQ(space.access_policy.prefix_depth, 2u);
  EXPECT_FALSE(load_space("origins = [\"https://a.org\"]\n")->namespaces.front().origin_decides());
}

TEST(config_access, contradictions_say_what_is_expected) {
  using ::testing::HasSubstr;
  const std::string origin = "origins = [\"https://a.org\"]\n", decides = "access = \"origin\"\n";
  EXPECT_THAT(mistake_of(origin + "access = \"reader\"\n"), HasSubstr("expected \"node\" or \"origin\""));
  EXPECT_THAT(mistake_of("origins = [\"https://a.org\", \"https://b.org\"]\n" + decides), HasSubstr("one origin"));
  EXPECT_THAT(mistake_of("origins = [\"s3://bucket\"]\n" + decides), HasSubstr("https://, gs:// or az://"));
  for (const std::string store : {"gs://bucket", "az://account/container"}) {
    EXPECT_TRUE(load_space("origins = [\"" + store + "\"]\n" + decides)) << store;
    EXPECT_THAT(mistake_of("origins = [\"" + store + "?anonymous=true\"]\n" + decides), HasSubstr("anonymous=true"));
  }
  EXPECT_THAT(mistake_of(origin + decides + "write = true\n"), HasSubstr("write = false"));
  EXPECT_THAT(mistake_of(origin + decides + "public = false\n"), HasSubstr("one of them"));
  EXPECT_THAT(mistake_of("origins = [\"https://a.org?login=b.org\"]\n"), HasSubstr("access = \"origin\""));
}

TEST(config_mirrors, are_urls_without_queries) {
  using ::testing::HasSubstr;
  const std::string origin = "origins = [\"https://a.org\"]\n";
  const auto made = load_space(origin + "tell_origins = true\nmirrors = [\"https://m.org/x\"]\n");
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->namespaces.front().tell_origins);
  for (const std::string url : {"m.org/x", "s3://bucket", "https://m.org/x?y", "https://u:p@m.org/x"})
    EXPECT_THAT(mistake_of(origin + "mirrors = [\"" + url + "\"]\n"), HasSubstr("https://mirror.example.org")) << url;
  EXPECT_THAT(mistake_of(origin + "semantics = \"http\"\ntell_origins = true\n"), HasSubstr("objects"));
}

} // namespace
} // namespace forebay::app
