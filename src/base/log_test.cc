#include "base/log.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace forebay::log {
namespace {

class log_lines : public testing::Test {
protected:
  void TearDown() override { set_level(level::info); }
};

TEST_F(log_lines, hold_time_level_topic_and_text) {
  testing::internal::CaptureStderr();
  info("cache", "held {} bytes", 7);
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(line.ends_with("Z info cache: held 7 bytes\n")) << line;
  EXPECT_EQ(line[4], '-');
  EXPECT_EQ(line[10], 'T');
}

TEST_F(log_lines, below_the_level_are_not_written) {
  testing::internal::CaptureStderr();
  debug("t", "one");
  set_level(level::error);
  EXPECT_FALSE(enabled(level::warn));
  warn("t", "two");
  error("t", "three");
  set_level(level::debug);
  debug("t", "four");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("one"), std::string::npos);
  EXPECT_EQ(text.find("two"), std::string::npos);
  EXPECT_NE(text.find("error t: three"), std::string::npos);
  EXPECT_NE(text.find("debug t: four"), std::string::npos);
}

TEST_F(log_lines, cannot_be_forged_by_foreign_text) {
  testing::internal::CaptureStderr();
  info("http", "path {}", "/a\n2024-01-01 error fake: x\r\x1b[2J{}");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("/a\\n2024-01-01 error fake: x\\x0d\\x1b[2J{}"), std::string::npos) << text;
}

TEST_F(log_lines, of_many_threads_stay_whole) {
  testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int n = 0; n < 50; ++n) info("thread", "{}{}{}{}", i, i, i, i);
    });
  }
  for (auto& thread : threads) thread.join();
  const std::string text = testing::internal::GetCapturedStderr();
  std::size_t whole = 0;
  for (int i = 0; i < 4; ++i) {
    const std::string wanted = fmt::format("info thread: {}{}{}{}\n", i, i, i, i);
    for (std::size_t at = 0; (at = text.find(wanted, at)) != std::string::npos; at += wanted.size()) ++whole;
  }
  EXPECT_EQ(whole, 200u);
}

} // namespace
} // namespace forebay::log
