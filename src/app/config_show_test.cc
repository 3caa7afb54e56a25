#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

#include "app/config_keys.h"
#include "app/config_values.h"

namespace forebay::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

config loaded_from(const std::string& text, std::vector<std::string> sets = {}) {
  load_input input;
  input.file_name = "f.toml";
  input.file_text = text;
  input.sets = std::move(sets);
  input.machine = {4, 16ull << 30, false, "host-1"};
  input.touch_files = false;
  auto loaded = load(input);
  if (!loaded) ADD_FAILURE() << text << "\n" << loaded.error().front().message();
  return loaded ? *loaded : config();
}

constexpr const char* rich = R"(
[[listen]]
address = "[::1]:0"
serve = ["data", "admin"]
[node]
coordinates = { lat = -1, lon = 2.5 }
memory = "1GiB"
disk = [{ path = "/a \"b\"", size = "1TiB" }]
access_log = "/var/log/x"
[[namespace]]
path = "/"
origins = ["https://x.org/a%20b"]
freshness = { ttl = "90m", immutable = ["**/c/*", 'back\\slash'], negative_ttl = "0" }
write = true
egress_usd_per_gb = 1e-3
[[namespace]]
path = "/é"
origins = ["s3://box?credentials=lab"]
prices = [0.09]
[[credentials]]
name = "lab"
access_key_id = "AK"
secret_access_key = "hunter2"
session_token_x = 1
)";

std::string rich_text() {
  std::string text = rich;
  text.resize(text.find("session_token_x")); // the one line that is wrong
  return text;
}

TEST(config_show, prints_toml_that_means_the_same) {
  const config first = loaded_from(
      rich_text() + "[network]\nproxy = \"http://u:pw@p:1\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n");
  const std::string text = show(first);
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text, Not(HasSubstr("pw")));
  const config second = loaded_from(text);
  std::vector<std::string> keys;
  for (const change& one : diff(first, second)) keys.push_back(one.key);
  EXPECT_THAT(keys, ElementsAre("credentials", "network.proxy")) << text; // what was masked, and nothing else
  EXPECT_EQ(second.namespaces[0].freshness.immutable[1], "back\\\\slash");
  EXPECT_EQ(second.namespaces[1].path, "/\xc3\xa9");
}

TEST(config_show, defaults_print_and_read_back) {
  const config first = loaded_from("");
  EXPECT_THAT(diff(first, loaded_from(show(first))), IsEmpty());
}

TEST(config_show, says_where_values_came_from) {
  const std::string text = show(loaded_from("[node]\nsite = \"s\"\nmemory = \"1GiB\"\n", {"node.threads=2"}));
  EXPECT_THAT(text, HasSubstr("site = \"s\"  # f.toml:2:8\n"));
  EXPECT_THAT(text, HasSubstr("memory = \"1GiB\"  # 1.0 GiB here; f.toml:3:10\n"));
  EXPECT_THAT(text, HasSubstr("threads = 2  # --set\n"));
  EXPECT_THAT(text, HasSubstr("log_level = \"info\"\n"));
  EXPECT_THAT(text, HasSubstr("# no [[namespace]]\n"));
}

TEST(config_diff, tells_what_needs_a_restart) {
  const config before = loaded_from("");
  const config after = loaded_from(
      "[node]\nsite = \"s\"\n[limits]\nattempts = 4\n[[namespace]]\npath = \"/x\"\norigins = [\"https://x.org\"]\n");
  const auto changes = diff(before, after);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].key, "namespace");
  EXPECT_FALSE(changes[0].needs_restart);
  EXPECT_EQ(changes[0].from, "[]");
  EXPECT_EQ(changes[0].to, "[\"/x\"]");
  EXPECT_EQ(changes[1].key, "node.site");
  EXPECT_TRUE(changes[1].needs_restart);
  EXPECT_EQ(changes[1].from, "\"local\"");
  EXPECT_EQ(changes[2].key, "limits.attempts");
  EXPECT_FALSE(changes[2].needs_restart);
  EXPECT_THAT(diff(after, after), IsEmpty());
}

TEST(config_diff, notices_secrets_without_telling_them) {
  const auto changes = diff(loaded_from("[admin]\ntoken = \"old1\"\n"), loaded_from("[admin]\ntoken = \"new1\"\n"));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].key, "admin.token");
  EXPECT_EQ(changes[0].from, changes[0].to);
  EXPECT_THAT(changes[0].to, Not(HasSubstr("new1")));
}

TEST(config_diff, notices_changes_deep_in_a_group) {
  const std::string head = "[[namespace]]\npath = \"/x\"\norigins = [\"https://x.org\"]\n";
  const auto changes = diff(loaded_from(head), loaded_from(head + "freshness.ttl = \"1s\"\n"));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].key, "namespace");
}

TEST(config_keys, are_a_sound_table) {
  std::set<std::string_view> paths;
  for (const key_info& key : keys()) {
    EXPECT_TRUE(paths.insert(key.path).second) << key.path;
    EXPECT_TRUE(key.help.ends_with('.')) << key.path;
    EXPECT_LE(key.least, key.most) << key.path;
    const bool numeric = key.type == value_type::count || key.type == value_type::size ||
                         key.type == value_type::duration || key.type == value_type::share ||
                         key.type == value_type::number;
    if (numeric) {
      EXPECT_TRUE(key.bounded()) << key.path << " needs bounds";
    }
    if (key.required) {
      EXPECT_NE(group_of(key.path), nullptr) << key.path;
    }
    config made;
    if (const group_info* group = group_of(key.path)) group->resize(made, 1);
    const target where = key.at(made, 0);
    EXPECT_TRUE(std::visit([](auto* pointer) { return pointer != nullptr; }, where)) << key.path;
    EXPECT_EQ(std::holds_alternative<secret*>(where), key.type == value_type::secret) << key.path;
  }
}

TEST(config_keys, targets_are_distinct) {
  config made;
  for (const group_info& group : groups()) group.resize(made, 1);
  std::set<const void*> seen;
  for (const key_info& key : keys()) {
    const void* where = std::visit([](auto* pointer) -> const void* { return pointer; }, key.at(made, 0));
    const bool beside_its_secret = key.type == value_type::secret; // a secret begins with its text
    if (!beside_its_secret) {
      EXPECT_TRUE(seen.insert(where).second) << key.path << " shares its place with another key";
    }
  }
}

TEST(config_keys, names) {
  EXPECT_EQ(variable_of("node.memory"), "FOREBAY_NODE_MEMORY");
  EXPECT_EQ(variable_of("namespace.path"), "");
  EXPECT_EQ(variable_of("namespace"), "FOREBAY_NAMESPACE");
  EXPECT_EQ(instance_of("namespace.freshness.ttl", 2), "namespace[2].freshness.ttl");
  EXPECT_EQ(instance_of("node.disk.path", 0), "node.disk[0].path");
  EXPECT_EQ(instance_of("node.disk", 1), "node.disk[1]");
  EXPECT_EQ(instance_of("node.memory", 0), "node.memory");
  EXPECT_EQ(group_of("node.memory"), nullptr);
}

TEST(config_reference, the_page_in_docs_is_what_the_program_prints) {
  // The build's folder lies in the repository, and tests run in it.
  std::filesystem::path folder = std::filesystem::current_path();
  while (!std::filesystem::exists(folder / "docs/reference/configuration.md") && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  std::ifstream file(folder / "docs/reference/configuration.md");
  ASSERT_TRUE(file) << "found no docs/reference/configuration.md above " << std::filesystem::current_path();
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), reference()) << "run: forebay config reference > docs/reference/configuration.md";
}

TEST(config_reference, has_every_key_and_its_example_loads) {
  const std::string text = reference();
  for (const key_info& key : keys()) {
    const auto* group = group_of(key.path);
    const std::string_view section = group != nullptr ? group->path : key.path.substr(0, key.path.find('.'));
    EXPECT_THAT(text, HasSubstr("| `" + std::string(key.path.substr(section.size() + 1)) + "` |"));
  }
  const std::size_t begin = text.find("```toml\n") + 8;
  const config made = loaded_from(text.substr(begin, text.find("```", begin) - begin));
  EXPECT_EQ(made.namespaces.size(), 2u);
}

} // namespace
} // namespace forebay::app
