// What the URL of a web origin says behind its '?'.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace forebay::origin::web {

struct options {
  std::string credentials; ///< an entry's name; empty: none
  bool netrc = false;      ///< users and passwords come from the netrc file, each for its own machine
  std::vector<std::string>
      login; ///< hosts, "host" or "host:port" in lower case, that a redirect may lead to for signing in

  /// Whether there is somewhere to sign in, and nothing to do it with.
  bool only_login() const noexcept { return !login.empty() && !netrc && credentials.empty(); }
};

/// Login hosts that one origin may name.
inline constexpr std::size_t login_hosts_max = 8;
inline constexpr std::string_view login_needs = "found login without credentials or netrc, which it needs";

/// "credentials=name", "netrc=true" and "login=host[,host]", joined by '&'; empty is no option at all. invalid_input
/// says what was expected.
result<options> parse_options(std::string_view query);

} // namespace forebay::origin::web
