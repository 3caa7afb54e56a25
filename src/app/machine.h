// What this machine gives the process: cores and memory, within the limits of its cgroups.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace forebay::app {

struct machine_resources {
  unsigned cores = 1;             ///< event loops worth running: affinity, and the CPU quota rounded up
  std::uint64_t memory_bytes = 0; ///< RAM, or the tightest cgroup limit; 0: unknown
  bool memory_is_limited = false; ///< by a cgroup
  std::string host_name;
};

/// Reads /proc and the cgroup hierarchy (v1, v2 and both at once; a limit of any ancestor counts) below `root`
/// (tests give a tree of their own). What cannot be read does not limit. `affinity_cores`: 0 asks the kernel.
machine_resources read_machine(const std::string& root = "", unsigned affinity_cores = 0);

/// Makes `directory` where it is missing and proves, by a file that is removed again, that this process may write
/// there. invalid_input names the path and the system's reason.
result<void> check_writable(const std::string& directory);

} // namespace forebay::app
