// Where an exchange goes: the URL as libcurl reads it, its addresses, and whether policy lets us there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/client.h"

namespace forebay::http {

/// The parts of a URL that decide where a connection leads, as libcurl itself will read them (so that odd
/// spellings of addresses, as "0x7f.1", cannot mean one thing here and another there).
struct client_target {
  std::string scheme; ///< "http", "https"; of proxies also "socks5h"
  std::string host;   ///< without brackets
  std::uint16_t port = 0;
  std::optional<net::ip_address> literal; ///< the host is an address
  std::string authority;                  ///< "https://host:port"

  /// Names the place in errors; no path, no secret.
  const std::string& place() const noexcept { return authority; }
};

/// invalid_input unless `url` is an absolute http(s) URL without credentials, with an ASCII host.
result<client_target> parse_target(std::string_view url);
/// The same for the outbound proxy's URL, which may carry credentials and be "socks5h".
result<client_target> parse_proxy(std::string_view url);

/// What libcurl is told about names: entries of CURLOPT_RESOLVE.
using name_pins = std::vector<std::string>;

/// Resolves what will be connected to (the target, or the proxy in front of it) and checks the target against
/// the policy where `policy_applies`: forbidden when no address is left. Behind a proxy only a literal target
/// and the names of this machine can be checked; the proxy resolves the rest.
net::task<result<name_pins>> pin_names(net::resolver& names, client_target target, bool policy_applies,
                                       std::shared_ptr<const client_settings> settings, net::deadline until);

} // namespace forebay::http
