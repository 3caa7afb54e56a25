#include "app/store_url.h"

#include "base/text.h"

namespace forebay::app {
namespace {

tl::unexpected<error> bad_url(std::string_view url, std::string_view expected) {
  return fail(error_kind::invalid_input, "URL",
              "found \"" + std::string(url) + "\"; expected " + std::string(expected));
}

/// A URL that a person typed: what cannot stand in one is encoded, escapes stay as they are.
std::string encode_typed(std::string_view path) {
  constexpr std::string_view legal = "/!$&'()*+,;=:@%?[]";
  return percent_encode(path, legal);
}

result<std::string> map_azure(std::string_view url, std::string_view rest) {
  const auto slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash), key = rest.substr(slash);
  const auto at = authority.find('@');
  if (at == std::string_view::npos) return "/az/" + percent_encode(rest, "/");
  const std::string_view container = authority.substr(0, at), host = authority.substr(at + 1);
  const auto dot = host.find('.');
  if (container.empty() || dot == std::string_view::npos) {
    return bad_url(url, "abfs://container@account.dfs.core.windows.net/key");
  }
  return "/az/" + percent_encode(host.substr(0, dot)) + "/" + percent_encode(container) + percent_encode(key, "/");
}

result<std::string> map_web(std::string_view url, std::string_view scheme, std::string_view rest,
                            std::string_view node_url) {
  // A URL on the node itself is a path of it.
  if (url.starts_with(node_url)) {
    const std::string_view target = url.substr(node_url.size());
    if (target.empty()) return std::string("/");
    if (target.front() == '/') return encode_typed(target);
  }
  const auto end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (authority.empty()) return bad_url(url, "a host");
  if (authority.find('@') != std::string_view::npos) return bad_url(url, "a URL without a user name");
  std::string_view target = rest.substr(end);
  target = target.substr(0, target.find('#'));
  const std::string path = target.empty() || target.front() == '?' ? "/" + std::string(target) : std::string(target);
  return "/" + std::string(scheme) + "/" + to_lower(authority) + encode_typed(path);
}

} // namespace

result<std::string> map_to_node(std::string_view url, std::string_view node_url) {
  if (url.starts_with('/')) return encode_typed(url);
  const auto colon = url.find("://");
  const std::string scheme = to_lower(url.substr(0, std::min(colon, url.size())));
  constexpr std::string_view expected = "a path on the node (/era5/x), or s3://bucket/key, gs://bucket/key, "
                                        "az://account/container/key, https://host/path";
  if (colon == std::string_view::npos) return bad_url(url, expected);
  const std::string_view rest = url.substr(colon + 3);
  if (scheme == "http" || scheme == "https") return map_web(url, scheme, rest, node_url);
  if (rest.empty() || rest.front() == '/') return bad_url(url, "a bucket");
  if (scheme == "s3" || scheme == "s3a") return "/s3/" + percent_encode(rest, "/");
  if (scheme == "gs" || scheme == "gcs") return "/gs/" + percent_encode(rest, "/");
  if (scheme == "az" || scheme == "abfs" || scheme == "abfss") return map_azure(url, rest);
  return bad_url(url, expected);
}

result<std::string> normalise_node_url(std::string_view url) {
  std::string_view rest = trim(url);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const auto colon = rest.find("://");
  const std::string scheme = to_lower(rest.substr(0, std::min(colon, rest.size())));
  const bool fits = colon != std::string_view::npos && (scheme == "http" || scheme == "https") &&
                    rest.size() > colon + 3 && rest.find_first_of("/?# ", colon + 3) == std::string_view::npos;
  if (!fits) return bad_url(url, "the URL of a node, such as " + std::string(default_node_url));
  return std::string(rest);
}

std::string file_name_of(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view segment = path.substr(path.rfind('/') + 1);
  std::string name = percent_decode(segment).value_or(std::string(segment));
  const bool hostile =
      name == "." || name == ".." || name.find('/') != std::string::npos || name.find('\0') != std::string::npos;
  return hostile ? std::string() : name;
}

} // namespace forebay::app
