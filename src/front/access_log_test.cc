#include "front/access_log.h"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace forebay::front {
namespace {

class scratch {
public:
  scratch() {
    char name[] = "/tmp/forebay-log-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~scratch() {
    for (const char* name : {"/access.log", "/access.log.1", "/pipe"}) ::unlink((path_ + name).c_str());
    ::rmdir(path_.c_str());
  }
  std::string file(const char* name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream from(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(from, line);) lines.push_back(line);
  return lines;
}

access_entry entry(std::string target) {
  access_entry made;
  made.when = wall_time(std::chrono::milliseconds(1'700'000'000'123));
  made.id = "id1";
  made.client = "192.0.2.1";
  made.method = "GET";
  made.target = std::move(target);
  made.status = 206;
  made.sent_bytes = 10;
  made.first_byte = std::chrono::microseconds(1500);
  made.total = std::chrono::milliseconds(20);
  made.cache = "hit";
  made.origin = "s3://era5";
  made.range = "bytes=0-9";
  made.user_agent = "curl/8 \"x\"";
  return made;
}

TEST(access_log, line) {
  const std::string line = render_access_line(entry("/era5/x?sig=secret&a=1"));
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto fields = nlohmann::json::parse(line);
  EXPECT_EQ(fields["time"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(fields["path"], "/era5/x?sig=***&a=1");
  EXPECT_EQ(fields["status"], 206);
  EXPECT_EQ(fields["bytes"], 10);
  EXPECT_DOUBLE_EQ(fields["seconds"], 0.02);
  EXPECT_DOUBLE_EQ(fields["first_byte"], 0.0015);
  EXPECT_EQ(fields["cache"], "hit");
  EXPECT_EQ(fields["origin"], "s3://era5");
  EXPECT_EQ(fields["range"], "bytes=0-9");
  EXPECT_EQ(fields["user_agent"], "curl/8 \"x\"");
  EXPECT_FALSE(fields.contains("broken"));
}

TEST(access_log, foreign_bytes_forge_nothing) {
  auto odd = entry("/\xff\n{\"status\":200}");
  odd.user_agent = std::string(100'000, 'x');
  odd.complete = false;
  const std::string line = render_access_line(odd);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_LT(line.size(), 5'000u);
  EXPECT_EQ(nlohmann::json::parse(line)["broken"], true);
}

TEST(access_log, every_line_is_written_before_it_ends) {
  const scratch folder;
  const std::string path = folder.file("access.log");
  constexpr std::size_t count = 1'000;
  {
    auto log = access_log::open(path, count);
    ASSERT_TRUE(log);
    for (std::size_t i = 0; i < count; ++i) (*log)->add(entry("/" + std::to_string(i)));
  }
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), count);
  EXPECT_EQ(nlohmann::json::parse(lines.back())["path"], "/999");
}

TEST(access_log, a_full_queue_drops_and_counts) {
  const scratch folder;
  const std::string pipe = folder.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC); // holds the pipe open, and reads nothing yet
  ASSERT_GE(reader, 0);
  auto& dropped = metrics::global().get_counter("forebay_access_log_dropped_total", "");
  const auto before = dropped.value();
  constexpr std::size_t queue = 8, offered = 20'000; // far more than pipe and queue hold
  auto log = access_log::open(pipe, queue);
  ASSERT_TRUE(log);
  for (std::size_t i = 0; i < offered; ++i) (*log)->add(entry("/x"));
  const auto lost = dropped.value() - before;
  EXPECT_GT(lost, 0u);
  std::thread drain([reader, wanted = offered - lost] {
    std::size_t seen = 0;
    char buffer[65536];
    while (seen < wanted) {
      const ssize_t count = ::read(reader, buffer, sizeof buffer);
      if (count <= 0) break;
      seen += static_cast<std::size_t>(std::count(buffer, buffer + count, '\n'));
    }
  });
  log->reset(); // writes the rest
  drain.join();
  EXPECT_EQ(dropped.value() - before, lost);
  ::close(reader);
}

TEST(access_log, opens_again_after_rotation) {
  const scratch folder;
  const std::string path = folder.file("access.log");
  auto log = access_log::open(path, 10);
  ASSERT_TRUE(log);
  ASSERT_EQ(::rename(path.c_str(), folder.file("access.log.1").c_str()), 0);
  (*log)->reopen();
  (*log)->add(entry("/after"));
  log->reset();
  EXPECT_EQ(lines_of(path).size(), 1u);
  EXPECT_EQ(lines_of(folder.file("access.log.1")).size(), 0u);
}

TEST(access_log, says_why_it_cannot_open) {
  const auto log = access_log::open("/nonexistent/access.log", 10);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message(), ::testing::HasSubstr("/nonexistent/access.log: No such file"));
}

} // namespace
} // namespace forebay::front
