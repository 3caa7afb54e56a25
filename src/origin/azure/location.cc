#include "origin/azure/location.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace forebay::origin::azure {
namespace {

constexpr std::string_view account_rules = "an account's name: 3 to 24 lower-case letters and digits";
constexpr std::string_view container_rules = "a container's name: lower-case letters, digits and '-', or $web, $root";

tl::unexpected<error> invalid(std::string_view url, std::string context) {
  // Without its parameters: an endpoint may hold a password.
  return fail(error_kind::invalid_input, std::string(url.substr(0, url.find('?'))), std::move(context));
}

bool is_lower_or_digit(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_account(std::string_view name) {
  return name.size() >= 3 && name.size() <= 24 && std::all_of(name.begin(), name.end(), is_lower_or_digit);
}

bool is_container(std::string_view name) {
  if (name == "$web" || name == "$root" || name == "$logs") return true;
  return name.size() >= 3 && name.size() <= 63 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_client_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0 || c == '-'; });
}

result<void> set_parameter(location& where, std::string_view url, const std::string& name, const std::string& value) {
  if (name == "endpoint") {
    auto endpoint = parse_store_endpoint(url, value);
    if (!endpoint) return fail(std::move(endpoint.error()));
    where.endpoint = std::move(*endpoint);
  } else if (name == "anonymous") {
    const auto flag = parse_flag(url, name, value);
    if (!flag) return fail(flag.error());
    where.anonymous = *flag;
  } else if (name == "credentials") {
    where.credentials = value;
  } else if (name == "client_id") {
    if (!is_client_id(value)) return invalid(url, fmt::format("found client_id={}, expected a UUID", value));
    where.client_id = value;
  } else if (name == "auth") {
    if (value != "managed-identity" && value != "workload-identity")
      return invalid(url, fmt::format("found auth={}, expected managed-identity or workload-identity", value));
    where.service = value == "managed-identity" ? identity_service::managed : identity_service::workload;
  } else {
    return fail(unknown_parameter(url, name, {"endpoint", "anonymous", "credentials", "auth", "client_id"}));
  }
  return {};
}

/// "container@account.dfs.core.windows.net", as Hadoop and fsspec write it.
bool read_abfs(location& where, const std::string& authority) {
  const std::size_t at = authority.find('@');
  const std::size_t dot = authority.find('.');
  if (at == std::string::npos || dot == std::string::npos || dot < at) return false;
  where.container = authority.substr(0, at);
  where.account = authority.substr(at + 1, dot - at - 1);
  const std::string_view host = std::string_view(authority).substr(dot);
  return host == ".dfs.core.windows.net" || host == ".blob.core.windows.net";
}

} // namespace

result<location> parse_location(std::string_view url) {
  auto parts = parse_store_url(url);
  if (!parts) return fail(std::move(parts.error()));
  location where;
  where.prefix = parts->path;
  if (url.starts_with("az://")) {
    const std::size_t slash = parts->path.find('/');
    where.account = parts->authority;
    where.container = parts->path.substr(0, slash);
    where.prefix = slash == std::string::npos ? std::string() : parts->path.substr(slash + 1);
  } else if (!read_abfs(where, parts->authority)) {
    return invalid(url,
                   "expected az://account/container/prefix or abfs://container@account.dfs.core.windows.net/prefix");
  }
  if (!is_account(where.account))
    return invalid(url, fmt::format("found the account \"{}\", expected {}", where.account, account_rules));
  if (!is_container(where.container))
    return invalid(url, fmt::format("found the container \"{}\", expected {}", where.container, container_rules));
  where.endpoint = *parse_store_endpoint(url, fmt::format("https://{}.blob.core.windows.net", where.account));
  for (const auto& [name, value] : parts->parameters) {
    auto set = set_parameter(where, url, name, value);
    if (!set) return fail(std::move(set.error()));
  }
  const int named = (where.anonymous ? 1 : 0) + (where.service != identity_service::none ? 1 : 0) +
                    (where.credentials.empty() ? 0 : 1);
  if (named > 1) return invalid(url, "found several of anonymous, credentials and auth, expected one of them");
  if (!where.client_id.empty() && where.service != identity_service::managed)
    return invalid(url, "found client_id without auth=managed-identity");
  return where;
}

} // namespace forebay::origin::azure
