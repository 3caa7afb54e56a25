// How commands end, for scripts (docs/reference/command-line.md has the same table).
#pragma once

namespace forebay::app {

enum exit_code : int {
  exit_ok = 0,
  exit_failed = 1,      ///< the operation was tried and failed
  exit_usage = 2,       ///< bad usage or configuration; a node that cannot start
  exit_not_found = 3,   ///< the origin says that there is no such object
  exit_unreachable = 4, ///< the node, or the origin behind it, does not answer
};

} // namespace forebay::app
