// `forebay serve`: the process around a node.
#pragma once

#include <string>
#include <vector>

namespace forebay::app {

struct serve_options {
  std::string config_file;       ///< empty: none
  std::vector<std::string> sets; ///< key=value
  std::string addresses_file;    ///< where to write the bound addresses; empty: nowhere
};

/// Runs until SIGTERM or SIGINT, then drains: exit code 0. SIGHUP reloads. exit_usage when the configuration has
/// mistakes or the node cannot start (an address in use, a disk that cannot be written).
int serve(const serve_options& options);

} // namespace forebay::app
