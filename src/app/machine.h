// What this machine gives the process: cores and memory, within the limits of its cgroups.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace forebay::app {

struct machine_resources {
  unsigned cores = 1;             ///< event loops worth running: affinity, and the CPU quota rounded up
  std::uint64_t memory_bytes = 0; ///< RAM, or the tightest cgroup limit; 0: unknown
  bool memory_is_limited = false; ///< by a cgroup
  std::string host_name;
  std::string cache_directory = {};   ///< where a node that is told nothing keeps its disk tier; empty: nowhere
  std::uint64_t cache_room_bytes = 0; ///< free there, and what a tier in it takes already
};

/// Reads /proc and the cgroup hierarchy (v1, v2 and both at once; a limit of any ancestor counts) below `root`
/// (tests give a tree of their own). What cannot be read does not limit. `affinity_cores`: 0 asks the kernel.
machine_resources read_machine(const std::string& root = "", unsigned affinity_cores = 0);

/// Fills `cache_directory` and `cache_room_bytes`: below CACHE_DIRECTORY (systemd), XDG_CACHE_HOME or ~/.cache (XDG
/// Base Directory Specification), whichever `variable` gives first. Nothing is made.
void find_cache_directory(machine_resources& found, const std::function<const char*(const char*)>& variable);

/// Makes `directory` where it is missing and proves, by a file that is removed again, that this process may write
/// there. invalid_input names the path and the system's reason.
result<void> check_writable(const std::string& directory);

} // namespace forebay::app
