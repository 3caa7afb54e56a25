// `forebay sign`: a URL with a signature that a node takes instead of a token.
#pragma once

#include <string>
#include <vector>

#include "app/config_commands.h"
#include "base/clock.h"

namespace forebay::app {

struct sign_options {
  std::string url; ///< or a path
  std::string config_file;
  std::vector<std::string> sets;
  std::string key_id; ///< empty: the last of the configuration, which is the newest where keys are appended
  std::string lifetime = "1h";
  std::string method = "GET";
  bool below = false;
  std::string network; ///< empty: clients of any
};

/// Prints the signed URL. Works without a node; the secret is read from the configuration and its files.
command_outcome sign_url(const sign_options& options, const clock& time = system_clock());

} // namespace forebay::app
