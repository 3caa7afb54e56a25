#include "front/client_address.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace forebay::front {
namespace {

/// "1.2.3.4", "1.2.3.4:80", "[::1]", "[::1]:80" or "::1".
std::optional<net::ip_address> parse_node(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    return net::ip_address::parse(text.substr(1, end - 1));
  }
  const bool has_port = std::count(text.begin(), text.end(), ':') == 1;
  return net::ip_address::parse(has_port ? text.substr(0, text.find(':')) : text);
}

/// The value of `for` in one element of Forwarded.
std::string_view for_value(std::string_view element) {
  for (const std::string_view pair : split(element, ';')) {
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && iequals(trim(pair.substr(0, equals)), "for"))
      return trim(pair.substr(equals + 1));
  }
  return {};
}

} // namespace

bool is_in_one(const std::vector<net::ip_network>& networks, const net::ip_address& address) noexcept {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const net::ip_network& one) { return one.contains(address); });
}

net::ip_address client_address(const net::ip_address& peer, const http::header_table& fields,
                               const std::vector<net::ip_network>& trusted, bool by_forwarded) {
  if (trusted.empty() || !is_in_one(trusted, peer)) return peer;
  const auto list = fields.joined(by_forwarded ? "forwarded" : "x-forwarded-for");
  if (!list) return peer;
  const auto hops = split(*list, ',');
  net::ip_address client = peer;
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    const auto named = parse_node(by_forwarded ? for_value(*hop) : *hop);
    if (!named) break;
    client = *named;
    if (!is_in_one(trusted, client)) break;
  }
  return client;
}

} // namespace forebay::front
