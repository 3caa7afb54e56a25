#include "app/machine.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

namespace forebay::app {
namespace {

constexpr std::uint64_t gib = 1ull << 30;

/// A root directory with the files of /proc and /sys that the reader looks at.
class machine : public testing::Test {
protected:
  void SetUp() override {
    char name[] = "/tmp/forebay-machine-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  machine_resources read(unsigned affinity = 16) const { return read_machine(root_, affinity); }

  std::string root_;
};

constexpr const char* v2_mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST_F(machine, without_cgroups_is_the_hardware) {
  const auto found = read();
  EXPECT_EQ(found.memory_bytes, 16 * gib);
  EXPECT_FALSE(found.memory_is_limited);
  EXPECT_EQ(found.cores, 16u);
  EXPECT_FALSE(found.host_name.empty());
}

TEST_F(machine, v2_limits_of_any_ancestor_count) {
  put("/proc/self/mountinfo", v2_mount);
  put("/proc/self/cgroup", "0::/a/b/c\n");
  put("/sys/fs/cgroup/a/memory.max", "4294967296\n");
  put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  put("/sys/fs/cgroup/a/b/c/memory.max", "8589934592\n");
  put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  put("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
  put("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
  const auto found = read();
  EXPECT_EQ(found.memory_bytes, 4 * gib);
  EXPECT_TRUE(found.memory_is_limited);
  EXPECT_EQ(found.cores, 3u); // 2.5, rounded up
}

TEST_F(machine, v2_memory_high_counts_too) {
  put("/proc/self/mountinfo", v2_mount);
  put("/proc/self/cgroup", "0::/\n");
  put("/sys/fs/cgroup/memory.max", "4294967296\n");
  put("/sys/fs/cgroup/memory.high", "1073741824\n");
  EXPECT_EQ(read().memory_bytes, gib);
}

TEST_F(machine, v1_limits_and_unlimited_values) {
  put("/proc/self/mountinfo", "33 32 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                              "34 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                              "35 32 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n");
  put("/proc/self/cgroup", "7:memory:/jobs/42\n4:cpu,cpuacct:/jobs/42\n2:pids:/\n");
  put("/sys/fs/cgroup/memory/jobs/42/memory.limit_in_bytes", "9223372036854771712\n"); // v1's "none"
  put("/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "2147483648\n");
  put("/sys/fs/cgroup/cpu,cpuacct/jobs/42/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu,cpuacct/jobs/42/cpu.cfs_period_us", "100000\n");
  put("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "50000\n");
  put("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n");
  const auto found = read();
  EXPECT_EQ(found.memory_bytes, 2 * gib);
  EXPECT_EQ(found.cores, 1u); // half a core is one loop
}

TEST_F(machine, container_without_a_cgroup_namespace_sees_the_hosts_path) {
  put("/proc/self/mountinfo", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  put("/proc/self/cgroup", "0::/docker/abc/inner\n");
  put("/sys/fs/cgroup/memory.max", "3221225472\n");
  put("/sys/fs/cgroup/inner/cpu.max", "400000 100000\n");
  const auto found = read();
  EXPECT_EQ(found.memory_bytes, 3 * gib);
  EXPECT_EQ(found.cores, 4u);
}

TEST_F(machine, paths_outside_the_namespace_fall_back_to_the_mount) {
  put("/proc/self/mountinfo", v2_mount);
  put("/proc/self/cgroup", "0::/../../other\n");
  put("/sys/fs/cgroup/memory.max", "1073741824\n");
  EXPECT_EQ(read().memory_bytes, gib);
}

TEST_F(machine, mount_points_with_escapes_and_hybrids) {
  put("/proc/self/mountinfo", "33 32 0:29 / /sys/fs/my\\040cgroup/memory rw - cgroup cgroup rw,memory\n"
                              "30 23 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  put("/proc/self/cgroup", "7:memory:/x\n0::/x\n");
  put("/sys/fs/my cgroup/memory/x/memory.limit_in_bytes", "1073741824\n");
  put("/sys/fs/cgroup/unified/x/cpu.max", "200000 100000\n");
  const auto found = read();
  EXPECT_EQ(found.memory_bytes, gib);
  EXPECT_EQ(found.cores, 2u);
}

TEST_F(machine, limits_beyond_the_hardware_do_not_raise_it) {
  put("/proc/self/mountinfo", v2_mount);
  put("/proc/self/cgroup", "0::/\n");
  put("/sys/fs/cgroup/memory.max", "1099511627776\n");
  put("/sys/fs/cgroup/cpu.max", "6400000 100000\n");
  const auto found = read(4);
  EXPECT_EQ(found.memory_bytes, 16 * gib);
  EXPECT_FALSE(found.memory_is_limited);
  EXPECT_EQ(found.cores, 4u);
}

TEST_F(machine, nonsense_in_the_files_does_not_limit) {
  put("/proc/self/mountinfo", "short\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2\n" + std::string(v2_mount));
  put("/proc/self/cgroup", "nonsense\n0::/a\n");
  put("/sys/fs/cgroup/a/memory.max", "lots\n");
  put("/sys/fs/cgroup/a/cpu.max", "100000 0\n");
  put("/sys/fs/cgroup/cpu.max", "\n");
  const auto found = read();
  EXPECT_EQ(found.memory_bytes, 16 * gib);
  EXPECT_EQ(found.cores, 16u);
}

TEST_F(machine, the_cache_directory_is_systemds_or_that_of_the_user) {
  std::map<std::string, std::string> variables{{"HOME", root_}, {"XDG_CACHE_HOME", root_ + "/xdg"}};
  const auto look = [&](const char* name) { return variables.contains(name) ? variables[name].c_str() : nullptr; };
  machine_resources found;
  find_cache_directory(found, look);
  EXPECT_EQ(found.cache_directory, root_ + "/xdg/forebay/store");
  EXPECT_GT(found.cache_room_bytes, 0u) << "of the file system that it will lie on";
  EXPECT_FALSE(std::filesystem::exists(root_ + "/xdg"));
  variables["CACHE_DIRECTORY"] = "/var/cache/forebay:/var/cache/other";
  find_cache_directory(found, look);
  EXPECT_EQ(found.cache_directory, "/var/cache/forebay/store");
  variables = {{"HOME", root_}, {"XDG_CACHE_HOME", "relative"}};
  find_cache_directory(found, look);
  EXPECT_EQ(found.cache_directory, root_ + "/.cache/forebay/store");
  machine_resources none;
  find_cache_directory(none, [](const char*) -> const char* { return nullptr; });
  EXPECT_EQ(none.cache_directory, "");
}

TEST_F(machine, what_a_tier_takes_already_counts_as_room) {
  const auto look = [this](const char* name) { return std::string_view(name) == "HOME" ? root_.c_str() : nullptr; };
  const auto own = [&] {
    machine_resources found;
    find_cache_directory(found, look);
    return found;
  };
  const std::string directory = own().cache_directory;
  std::filesystem::create_directories(directory);
  std::ofstream(directory + "/000000000001.seg") << std::string(8u << 20, 'x');
  const auto free = std::filesystem::space(directory).available;
  // Others use the file system meanwhile: most of the 8 MiB is enough.
  EXPECT_GT(own().cache_room_bytes, free + (4u << 20));
}

TEST(machine_here, has_cores_and_memory) {
  const auto found = read_machine();
  EXPECT_GE(found.cores, 1u);
  EXPECT_GT(found.memory_bytes, 64u << 20);
}

TEST_F(machine, writable_directories_are_made_and_left_empty) {
  const std::string path = root_ + "/cache/deep";
  EXPECT_TRUE(check_writable(path));
  EXPECT_TRUE(std::filesystem::is_empty(path));
}

TEST_F(machine, directories_that_cannot_be_written_are_named) {
  put("/file", "x");
  const auto failed = check_writable(root_ + "/file/below");
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message().find(root_ + "/file/below"), std::string::npos);
  const auto proc = check_writable("/proc/forebay");
  ASSERT_FALSE(proc);
  EXPECT_EQ(proc.error().kind, error_kind::invalid_input);
}

} // namespace
} // namespace forebay::app
