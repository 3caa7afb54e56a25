#include "http/client_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "http/client_error.h"
#include "http/url.h"

namespace forebay::http {
namespace {

result<client_target> parse(std::string_view url, bool proxy) {
  const auto parts = parse_url(url);
  if (!parts) return fail(parts.error());
  client_target target;
  target.scheme = parts->scheme;
  const bool known = target.scheme == "http" || target.scheme == "https" || (proxy && target.scheme == "socks5h");
  if (!known) {
    return fail(error_kind::invalid_input, "url",
                fmt::format("found scheme \"{}\", expected http{} or https", target.scheme, proxy ? ", socks5h" : ""));
  }
  if (!proxy && parts->credentials) {
    return fail(error_kind::invalid_input, "url", "credentials do not belong in a URL: name them instead");
  }
  const bool ascii =
      std::all_of(parts->host.begin(), parts->host.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (parts->host.empty() || !ascii) {
    return fail(error_kind::invalid_input, "url",
                "the URL needs a host of ASCII characters (international names in their xn-- form)");
  }
  if (parts->zone) return fail(error_kind::invalid_input, "url", "addresses with a zone are not supported");
  target.host = parts->host;
  target.port = parts->port;
  target.literal = net::ip_address::parse(target.host);
  target.authority = parts->authority();
  return target;
}

std::string join(const std::vector<net::ip_address>& addresses) {
  std::string text;
  for (const auto& each : addresses) {
    if (!text.empty()) text += ',';
    text += each.is_v4() ? each.to_string() : "[" + each.to_string() + "]";
  }
  return text;
}

/// "+": the pin lives as long as a resolved name would, not for ever.
std::string pin_entry(const client_target& target, const std::vector<net::ip_address>& addresses) {
  return fmt::format("+{}:{}:{}", target.host, target.port, join(addresses));
}

/// Names that mean this machine or its cloud's metadata service, wherever they are resolved.
bool is_local_name(std::string_view host) {
  while (!host.empty() && host.back() == '.') host.remove_suffix(1);
  static constexpr std::array<std::string_view, 4> endings = {"localhost", "localdomain", "internal", "local"};
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) {
    if (!host.ends_with(ending)) return false;
    return host.size() == ending.size() || host[host.size() - ending.size() - 1] == '.';
  });
}

} // namespace

result<client_target> parse_target(std::string_view url) { return parse(url, false); }
result<client_target> parse_proxy(std::string_view url) { return parse(url, true); }

net::task<result<name_pins>> pin_names(net::resolver& names, client_target target, bool policy_applies,
                                       std::shared_ptr<const client_settings> settings, net::deadline until) {
  const bool proxied = !settings->proxy.empty();
  const auto& policy = settings->addresses;
  if (policy_applies && target.literal && !policy.permits(*target.literal)) {
    co_return fail(address_refused(target.place(), target.host));
  }
  client_target connect_to = target;
  if (proxied) {
    if (policy_applies && !target.literal && is_local_name(target.host)) {
      co_return fail(error_kind::forbidden, target.place(), "the name is of this machine or its network");
    }
    auto proxy = parse_proxy(settings->proxy);
    if (!proxy) co_return fail(std::move(proxy.error()));
    connect_to = *proxy;
  }
  if (connect_to.literal) co_return name_pins{};
  auto resolved = co_await names.resolve(connect_to.host, until);
  if (!resolved) {
    error why = std::move(resolved.error());
    why.source = connect_to.place();
    co_return fail(std::move(why));
  }
  std::vector<net::ip_address> addresses = std::move(*resolved);
  if (policy_applies && !proxied) {
    const std::string all = join(addresses);
    std::erase_if(addresses, [&](const net::ip_address& each) { return !policy.permits(each); });
    if (addresses.empty()) co_return fail(address_refused(target.place(), all));
  }
  co_return name_pins{pin_entry(connect_to, addresses)};
}

} // namespace forebay::http
