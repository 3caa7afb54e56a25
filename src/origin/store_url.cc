#include "origin/store_url.h"

#include <fmt/format.h>

#include "base/text.h"
#include "http/url.h"

namespace forebay::origin {
namespace {

tl::unexpected<error> invalid(std::string_view url, std::string context) {
  // Without its parameters: an endpoint may hold a password.
  return fail(error_kind::invalid_input, std::string(url.substr(0, url.find('?'))), std::move(context));
}

} // namespace

result<store_url> parse_store_url(std::string_view url) {
  store_url parts;
  std::string_view rest = url.substr(std::min(url.size(), url.find("://") + 3));
  const std::size_t mark = rest.find('?');
  const std::string_view query = mark == std::string_view::npos ? std::string_view{} : rest.substr(mark + 1);
  rest = rest.substr(0, mark);
  const std::size_t slash = rest.find('/');
  parts.authority = std::string(rest.substr(0, slash));
  const auto path = percent_decode(slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1));
  if (!path) return invalid(url, "the path holds a bad percent-escape");
  parts.path = *path;
  while (parts.path.ends_with('/')) parts.path.pop_back();
  for (const std::string_view each : split(query, '&')) {
    if (each.empty()) continue;
    const std::size_t equals = each.find('=');
    const auto value = percent_decode(equals == std::string_view::npos ? std::string_view{} : each.substr(equals + 1));
    if (!value) return invalid(url, "a parameter holds a bad percent-escape");
    parts.parameters.emplace_back(each.substr(0, equals), *value);
  }
  return parts;
}

error unknown_parameter(std::string_view url, std::string_view name, const std::vector<std::string_view>& known) {
  const std::string_view near = nearest_word(name, known);
  return {error_kind::invalid_input, std::string(url.substr(0, url.find('?'))),
          near.empty() ? fmt::format("found the unknown parameter \"{}\"", name)
                       : fmt::format("found the unknown parameter \"{}\"; is it {}?", name, near)};
}

result<bool> parse_flag(std::string_view url, const std::string& name, const std::string& value) {
  if (value != "true" && value != "false")
    return invalid(url, fmt::format("found {}={}, expected true or false", name, value));
  return value == "true";
}

std::string unusable_endpoint(std::string_view endpoint) {
  const bool with_user = endpoint.find('@') != std::string_view::npos;
  return fmt::format("found endpoint {}, expected http[s]://host[:port]",
                     with_user ? "with a user in it" : fmt::format("\"{}\"", endpoint));
}

result<store_endpoint> parse_store_endpoint(std::string_view url, const std::string& endpoint) {
  const auto parts = http::parse_url(endpoint);
  const bool usable = parts && (parts->scheme == "http" || parts->scheme == "https") && !parts->credentials &&
                      parts->query.empty() && !parts->host.empty();
  if (!usable) return invalid(url, unusable_endpoint(endpoint));
  store_endpoint made;
  const bool usual = (parts->scheme == "https" && parts->port == 443) || (parts->scheme == "http" && parts->port == 80);
  made.host = parts->host.find(':') == std::string::npos ? parts->host : "[" + parts->host + "]";
  if (!usual) made.host += fmt::format(":{}", parts->port);
  made.origin = fmt::format("{}://{}", parts->scheme, made.host);
  made.base_path = parts->path;
  while (made.base_path.ends_with('/')) made.base_path.pop_back();
  made.canonical = parts->authority() + made.base_path;
  return made;
}

std::string join_key(const std::string& prefix, const std::string& key) {
  if (prefix.empty()) return key;
  return key.empty() ? prefix : prefix + "/" + key;
}

} // namespace forebay::origin
