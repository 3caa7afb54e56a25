#include "app/config_commands.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace forebay::app {
namespace {

using ::testing::HasSubstr;

/// A file of the test, gone at its end.
class written_file {
public:
  explicit written_file(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / ("forebay-config-" + std::to_string(::getpid()) + ".toml")) {
    std::ofstream(path_) << text;
  }
  ~written_file() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

private:
  std::filesystem::path path_;
};

TEST(config_commands, check_lists_mistakes_and_exits_2) {
  const written_file bad("[node]\nmemroy = 1\n[limits]\nattempts = 0\n");
  const auto outcome = config_check(bad.path());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.output, "");
  EXPECT_THAT(outcome.complaint, HasSubstr(bad.path() + ":2:1: node.memroy: found an unknown key"));
  EXPECT_THAT(outcome.complaint, HasSubstr(bad.path() + ":4:12: limits.attempts: "));
  EXPECT_THAT(outcome.complaint, testing::EndsWith("\n2 mistakes in the configuration\n"));
}

TEST(config_commands, check_of_a_good_file_looks_at_nothing_else) {
  const written_file good("[node]\nname = \"a\"\n");
  ASSERT_EQ(setenv("FOREBAY_NODE_THREADS", "many", 1), 0);
  EXPECT_EQ(config_check(good.path()).exit_code, 0);
  const auto shown = config_show(good.path(), {});
  EXPECT_EQ(shown.exit_code, 2);
  EXPECT_THAT(shown.complaint,
              HasSubstr("FOREBAY_NODE_THREADS: node.threads: found \"many\"; expected a whole number"));
  ASSERT_EQ(setenv("FOREBAY_NODE_THREADS", "7", 1), 0);
  EXPECT_THAT(config_show(good.path(), {"node.site=x"}).output, HasSubstr("threads = 7  # FOREBAY_NODE_THREADS\n"));
  unsetenv("FOREBAY_NODE_THREADS");
}

TEST(config_commands, show_works_without_a_file) {
  const auto shown = config_show("", {});
  EXPECT_EQ(shown.exit_code, 0) << shown.complaint;
  EXPECT_THAT(shown.output, HasSubstr("address = \":8080\"\n"));
}

} // namespace
} // namespace forebay::app
