// `forebay store check` and `forebay store stat`: a directory of the disk tier, offline.
#pragma once

#include <string>

#include "app/config_commands.h"

namespace forebay::app {

/// Reads and verifies every block; exit code 1 when something is damaged, 2 when it is no such directory.
command_outcome store_check(const std::string& directory);
/// What lies in it, without reading it.
command_outcome store_stat(const std::string& directory);

} // namespace forebay::app
