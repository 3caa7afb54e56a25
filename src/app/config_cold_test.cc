// `[[namespace]] cold`: what is read, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/config.h"

namespace forebay::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

load_result<config> loaded(const std::string& text) {
  load_input input;
  input.file_name = "f.toml";
  input.file_text = text;
  input.machine = {4, 8ull << 30, true, "test"};
  return load(input);
}

std::vector<std::string> messages_of(const std::string& text) {
  std::vector<std::string> messages;
  const auto made = loaded(text);
  if (!made)
    for (const mistake& each : made.error()) messages.push_back(each.message());
  return messages;
}

std::string space(const std::string& path, const std::string& cold) {
  return "[[namespace]]\npath = \"" + path + "\"\norigins = [\"https://x.org\"]\ncold = { " + cold + " }\n";
}

TEST(config_cold, is_read_with_its_defaults) {
  const auto made = loaded(space("/x", "url = \"s3://box/p?anonymous=true\", size = \"2TiB\"") + space("/y", ""));
  ASSERT_TRUE(made);
  const cold_config& cold = made->namespaces[0].cold;
  EXPECT_EQ(cold.url, "s3://box/p?anonymous=true");
  EXPECT_EQ(cold.size_bytes, 2ull << 40);
  EXPECT_EQ(cold.lifetime, 720h);
  EXPECT_EQ(cold.timeout, 2s);
  EXPECT_EQ(cold.connections, 16u);
  EXPECT_EQ(made->namespaces[1].cold.url, "");
}

TEST(config_cold, mistakes_are_told) {
  const std::string box = "url = \"s3://box/p\"";
  const std::pair<std::string, std::string> cases[] = {
      {space("/x", "url = \"box\""), "namespace[0].cold.url: found \"box\" (not a URL)"},
      {space("/x", "url = \"ipfs://bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354\""),
       "a store that can be written"},
      {space("/x", "url = \"s3://box?credentials=lab\""), "found credentials=lab; expected the name of an entry"},
      {space("/x", box) + space("/y", "url = \"s3://box/p?anonymous=true\""),
       "namespace[1].cold.url: found \"s3://box/p\" twice; expected another prefix for each namespace"},
      {"[node]\ndisk = []\n" + space("/x", box), "found a cold tier without a disk tier"},
      {space("/x", box + ", size = \"1KiB\""), "namespace[0].cold.size"},
      {space("/x", box + ", sise = \"1GiB\""), "did you mean"},
  };
  for (const auto& [text, part] : cases) EXPECT_THAT(messages_of(text), ElementsAre(HasSubstr(part))) << text;
}

TEST(config_cold, a_user_in_the_url_is_refused_and_not_told) {
  const auto messages = messages_of(space("/x", "url = \"https://u:hunter2@x.org/p\""));
  EXPECT_THAT(messages, ElementsAre(HasSubstr("[[credentials]]")));
  for (const auto& each : messages) EXPECT_EQ(each.find("hunter2"), std::string::npos);
}

} // namespace
} // namespace forebay::app
