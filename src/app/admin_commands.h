// `forebay purge` and `forebay status`: the admin listener from the command line.
#pragma once

#include <string>

namespace forebay::app {

struct admin_access {
  std::string admin_url;
  std::string token; ///< empty: none
};

/// `member` is "path", "prefix", "namespace" or "tag".
int run_purge(const admin_access& access, const std::string& member, const std::string& value);

/// `as_json`: the document of /status as it is.
int run_status(const admin_access& access, bool as_json);

/// The document of /status for people.
std::string render_status_text(const std::string& json);

} // namespace forebay::app
