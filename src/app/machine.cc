#include "app/machine.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <sched.h>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/text.h"

namespace forebay::app {
namespace {

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) return std::nullopt;
  return line;
}

std::vector<std::string> all_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  return lines;
}

/// mountinfo writes space, tab, newline and backslash as three octal digits (proc(5)).
std::string unescape_octal(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '\\' && i + 3 < text.size() &&
        std::all_of(text.begin() + i + 1, text.begin() + i + 4, [](char c) { return c >= '0' && c <= '7'; });
    if (escape) {
      plain.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

bool names(std::string_view comma_list, std::string_view wanted) {
  const auto words = split(comma_list, ',');
  return std::find(words.begin(), words.end(), wanted) != words.end();
}

/// One mounted hierarchy: what of it is mounted, and where.
struct cgroup_mount {
  bool v2 = false;
  std::string controllers; ///< v1: the mount's options, which name its controllers
  std::string mounted_root;
  std::string mount_point;
};

/// proc(5): "36 35 98:0 /root /mount/point options [optional ...] - type source super-options".
std::vector<cgroup_mount> cgroup_mounts(const std::string& root) {
  std::vector<cgroup_mount> mounts;
  for (const std::string& line : all_lines(root + "/proc/self/mountinfo")) {
    const auto words = split(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    const bool v2 = dash[1] == "cgroup2";
    if (!v2 && dash[1] != "cgroup") continue;
    mounts.push_back({v2, std::string(dash[3]), unescape_octal(words[3]), unescape_octal(words[4])});
  }
  return mounts;
}

/// The process's group within each hierarchy: "0::/path" for v2, "4:cpu,cpuacct:/path" for v1.
struct membership {
  std::string controllers;
  std::string path;
};

std::vector<membership> memberships(const std::string& root) {
  std::vector<membership> found;
  for (const std::string& line : all_lines(root + "/proc/self/cgroup")) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    found.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
  }
  return found;
}

/// The folders of the group and all its ancestors, as far as they are mounted: leaf first.
std::vector<std::string> group_folders(const std::string& root, const cgroup_mount& mount, std::string path) {
  if (path.find("/..") != std::string::npos) path = "/"; // outside our cgroup namespace: only the mount is ours to see
  if (mount.mounted_root != "/") {
    // In a container without a cgroup namespace the path is the host's, and the container's part is mounted.
    const bool below = path.starts_with(mount.mounted_root) &&
                       (path.size() == mount.mounted_root.size() || path[mount.mounted_root.size()] == '/');
    path = below ? path.substr(mount.mounted_root.size()) : "/";
  }
  std::vector<std::string> folders;
  while (!path.empty() && path != "/") {
    folders.push_back(root + mount.mount_point + path);
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
  folders.push_back(root + mount.mount_point);
  return folders;
}

void lower_to(std::optional<std::uint64_t>& limit, const std::string& file) {
  const auto line = first_line(file);
  const auto value = line ? parse_u64(trim(*line)) : std::nullopt; // "max" is no number, and no limit
  if (value && (!limit || *value < *limit)) limit = *value;
}

void lower_to_quota(std::optional<double>& cores, double quota_us, double period_us) {
  if (quota_us <= 0 || period_us <= 0) return;
  const double allowed = quota_us / period_us;
  if (!cores || allowed < *cores) cores = allowed;
}

struct cgroup_limits {
  std::optional<std::uint64_t> memory_bytes;
  std::optional<double> cores;
};

void apply_v2(cgroup_limits& limits, const std::string& folder) {
  lower_to(limits.memory_bytes, folder + "/memory.max");
  lower_to(limits.memory_bytes, folder + "/memory.high"); // beyond it the kernel stalls every allocation
  const auto line = first_line(folder + "/cpu.max");      // "200000 100000" or "max 100000"
  if (!line) return;
  const auto words = split(*line, ' ');
  const auto quota_us = parse_u64(words[0]);
  const auto period_us = words.size() > 1 ? parse_u64(words[1]) : std::nullopt;
  if (quota_us && period_us) {
    lower_to_quota(limits.cores, static_cast<double>(*quota_us), static_cast<double>(*period_us));
  }
}

void apply_v1(cgroup_limits& limits, const std::string& folder, bool memory, bool cpu) {
  if (memory) lower_to(limits.memory_bytes, folder + "/memory.limit_in_bytes");
  if (!cpu) return;
  const auto quota = first_line(folder + "/cpu.cfs_quota_us"); // -1: none
  const auto period = first_line(folder + "/cpu.cfs_period_us");
  const auto quota_us = quota ? parse_u64(trim(*quota)) : std::nullopt;
  const auto period_us = period ? parse_u64(trim(*period)) : std::nullopt;
  if (quota_us && period_us) {
    lower_to_quota(limits.cores, static_cast<double>(*quota_us), static_cast<double>(*period_us));
  }
}

cgroup_limits read_cgroups(const std::string& root) {
  cgroup_limits limits;
  const auto groups = memberships(root);
  for (const cgroup_mount& mount : cgroup_mounts(root)) {
    const bool memory = names(mount.controllers, "memory");
    const bool cpu = names(mount.controllers, "cpu");
    if (!mount.v2 && !memory && !cpu) continue;
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const membership& one) {
      if (mount.v2) return one.controllers.empty();
      return (memory && names(one.controllers, "memory")) || (cpu && names(one.controllers, "cpu"));
    });
    const std::string path = group == groups.end() ? "/" : group->path;
    for (const std::string& folder : group_folders(root, mount, path)) {
      if (mount.v2) {
        apply_v2(limits, folder);
      } else {
        apply_v1(limits, folder, memory, cpu);
      }
    }
  }
  return limits;
}

std::uint64_t ram_bytes(const std::string& root) {
  for (const std::string& line : all_lines(root + "/proc/meminfo")) { // "MemTotal:       24615168 kB"
    if (!line.starts_with("MemTotal:")) continue;
    const std::size_t digit = line.find_first_of("0123456789");
    if (digit == std::string::npos) return 0;
    const auto kib =
        parse_u64(std::string_view(line).substr(digit, line.find_first_not_of("0123456789", digit) - digit));
    return kib.value_or(0) * 1024;
  }
  return 0;
}

unsigned affinity() {
  // The mask grows until it fits the kernel's: machines of more than 1024 cores exist.
  for (int room = 1024; room <= 1 << 16; room *= 2) {
    cpu_set_t* const set = CPU_ALLOC(room);
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(room);
    const bool fits = sched_getaffinity(0, bytes, set) == 0;
    const int count = fits ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return static_cast<unsigned>(count);
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

} // namespace

machine_resources read_machine(const std::string& root, unsigned affinity_cores) {
  machine_resources found;
  const cgroup_limits limits = read_cgroups(root);
  found.cores = affinity_cores != 0 ? affinity_cores : affinity();
  if (limits.cores) {
    found.cores = std::min(found.cores, std::max(1u, static_cast<unsigned>(std::ceil(std::min(*limits.cores, 1e6)))));
  }
  found.memory_bytes = ram_bytes(root);
  if (limits.memory_bytes && (found.memory_bytes == 0 || *limits.memory_bytes < found.memory_bytes)) {
    found.memory_bytes = *limits.memory_bytes;
    found.memory_is_limited = true;
  }
  char name[256] = {}; // HOST_NAME_MAX is 64; POSIX allows 255
  if (gethostname(name, sizeof name - 1) == 0) found.host_name = name;
  return found;
}

namespace {

/// Free for this user on the file system that `path`, or the nearest directory above it that exists, lies on.
std::uint64_t free_bytes(std::filesystem::path path) {
  std::error_code failure;
  while (!std::filesystem::exists(path, failure) && path.has_relative_path()) path = path.parent_path();
  const auto room = std::filesystem::space(path, failure);
  return failure ? 0 : room.available;
}

std::uint64_t bytes_of_files(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(directory, failure), end; !failure && at != end; at.increment(failure)) {
    struct stat about {};
    if (::lstat(at->path().c_str(), &about) == 0) bytes += static_cast<std::uint64_t>(about.st_blocks) * 512;
  }
  return bytes;
}

} // namespace

void find_cache_directory(machine_resources& found, const std::function<const char*(const char*)>& variable) {
  constexpr const char* places[][2] = {
      {"CACHE_DIRECTORY", "/store"}, {"XDG_CACHE_HOME", "/forebay/store"}, {"HOME", "/.cache/forebay/store"}};
  for (const auto& [name, below] : places) {
    const char* const above = variable(name);
    if (above == nullptr || above[0] != '/') continue;
    const std::string_view first =
        std::string_view(above).substr(0, std::string_view(above).find(':')); // systemd: a list
    found.cache_directory = std::string(first) + below;
    found.cache_room_bytes = free_bytes(found.cache_directory) + bytes_of_files(found.cache_directory);
    return;
  }
}

result<void> check_writable(const std::string& directory) {
  const auto refuse = [&directory](const std::string& step, int number) {
    return fail(error_kind::invalid_input, "disk " + directory,
                fmt::format("cannot {}: {}; expected a directory that this user may write", step,
                            std::system_category().message(number)));
  };
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) return refuse("make the directory", failure.value());
  const std::string probe = fmt::format("{}/.forebay-probe-{}", directory, ::getpid());
  // A full disk is still read, and will have room again.
  const auto is_full = [](int number) { return number == ENOSPC || number == EDQUOT; };
  const int fd = ::open(probe.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0 && is_full(errno)) return {};
  if (fd < 0) return refuse("make a file", errno);
  const bool written = ::write(fd, "x", 1) == 1;
  const int number = errno;
  ::close(fd);
  ::unlink(probe.c_str());
  if (!written && !is_full(number)) return refuse("write a byte", number);
  return {};
}

} // namespace forebay::app
