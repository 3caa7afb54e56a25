// The netrc file: users and passwords by machine (curl's and ftp's).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace forebay::origin::web {

struct netrc_entry {
  std::string login, password;
};
/// By machine, in lower case. The first entry of a machine counts.
using netrc_entries = std::map<std::string, netrc_entry, std::less<>>;

/// Machines of `text`. `default` is left out: an origin shows credentials to hosts that were named. Macros are skipped.
netrc_entries parse_netrc(std::string_view text);

/// The entries of $NETRC, or of ~/.netrc. invalid_input, without a word of its content, where it cannot be read.
/// Blocks: for starts and reloads.
result<netrc_entries> load_netrc();

} // namespace forebay::origin::web
