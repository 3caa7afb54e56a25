// `forebay config check | show | reference`: what they print, and the exit code.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"

namespace forebay::app {

/// What a command says and how the process ends: 0, or 2 for a bad configuration.
struct command_outcome {
  int exit_code = 0;
  std::string output;    ///< for standard output
  std::string complaint; ///< for standard error
};

/// All mistakes, one a line, and how many there are.
std::string explain(const std::vector<mistake>& mistakes);

/// Checks the file at `path` alone: what the environment would add is the business of where it runs.
command_outcome config_check(const std::string& path);
/// The effective configuration of `path` (may be empty), environment and flags.
command_outcome config_show(const std::string& path, const std::vector<std::string>& sets);
command_outcome config_reference();

} // namespace forebay::app
