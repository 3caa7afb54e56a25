// URLs of origins and proxies: checked by those who will use them, before anybody connects.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "app/config_values.h"
#include "base/text.h"
#include "http/client_target.h"
#include "http/url.h"
#include "origin/azure/location.h"
#include "origin/file/file_source.h"
#include "origin/gcs/location.h"
#include "origin/ipfs/ipfs_source.h"
#include "origin/s3/endpoint.h"
#include "origin/swift/location.h"
#include "origin/web/options.h"

namespace forebay::app {
namespace {

constexpr std::string_view origin_forms =
    "https://host/prefix, http://host/prefix, s3://bucket/prefix, gs://bucket/prefix, az://account/container/prefix, "
    "swift://container/prefix, ipfs://CID/path or file:///directory";

std::optional<problem> refuse(std::string_view url, std::string why, std::string_view expected = "") {
  return problem{fmt::format("{} ({})", toml_string(without_userinfo(url)), why),
                 expected.empty() ? fmt::format("an origin such as {}", origin_forms) : std::string(expected)};
}

std::string mask_user_of_host(std::string_view url) {
  const std::size_t begin = url.find("://");
  if (begin == std::string_view::npos) return std::string(url);
  const std::size_t host = begin + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", host), url.size());
  const std::size_t at = url.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < host) return std::string(url);
  return fmt::format("{}...{}", url.substr(0, host), url.substr(at));
}

std::string_view query_of(std::string_view url) {
  const std::size_t mark = url.find('?');
  return mark == std::string_view::npos ? std::string_view() : url.substr(mark + 1);
}

/// What the parser of a kind's URLs found.
template <class T>
std::optional<problem> refusal_of(std::string_view url, const result<T>& parsed) {
  if (parsed) return std::nullopt;
  return refuse(url, parsed.error().context);
}

std::optional<problem> check_s3(std::string_view url) {
  const auto location = origin::s3::parse_location(url);
  if (!location) return refuse(url, location.error().context);
  if (!location->keys.credentials.empty() && !location->keys.profile.empty()) {
    return refuse(url, "both credentials and profile", "one of them");
  }
  return std::nullopt;
}

std::optional<problem> check_web(std::string_view url) {
  const auto target = http::parse_target(url);
  if (!target) return refuse(url, target.error().context);
  const auto parts = http::parse_url(url);
  if (!parts) return refuse(url, parts.error().context);
  // libcurl forgives a third slash and takes the path's first segment for a host; nobody means that.
  if (url[url.find("://") + 3] == '/' || target->port == 0) return refuse(url, "no host, or port 0");
  if (url.find('#') != std::string_view::npos)
    return refuse(url, "a fragment", "a URL without '#' (write %23 in a key)");
  if (!percent_decode(parts->path)) return refuse(url, "a bad percent-escape", "%XX with hexadecimal digits");
  const std::string_view query = query_of(url);
  const auto options = origin::web::parse_options(query);
  if (!options) return refuse(url, "a query", options.error().context);
  if (query.empty() && url.ends_with('?')) return refuse(url, "an empty query", "?credentials=NAME or nothing");
  return std::nullopt;
}

} // namespace

bool is_web(std::string_view url) {
  const std::string scheme = to_lower(url.substr(0, url.find("://")));
  return scheme == "http" || scheme == "https";
}

bool has_only_login(std::string_view url) {
  const auto options = origin::web::parse_options(query_of(url));
  return is_web(url) && options && options->only_login();
}

bool takes_tokens(std::string_view url) {
  const std::string scheme = to_lower(url.substr(0, url.find("://")));
  return is_web(url) || scheme == "gs" || scheme == "az" || scheme == "abfs" || scheme == "abfss";
}

bool has_own_credentials(std::string_view url) {
  if (!is_web(url)) return takes_tokens(url) && (origin_parameter(url, "credentials") || origin_parameter(url, "auth"));
  const auto options = origin::web::parse_options(query_of(url));
  return options && (options->netrc || !options->credentials.empty());
}

std::optional<std::string> origin_parameter(std::string_view url, std::string_view name) {
  for (const std::string_view pair : split(query_of(url), '&')) {
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return percent_decode(pair.substr(name.size() + 1));
    }
  }
  return std::nullopt;
}

std::string without_userinfo(std::string_view url) {
  const std::size_t mark = std::min(url.find('?'), url.size());
  std::string masked = mask_user_of_host(url.substr(0, mark));
  if (mark == url.size()) return masked;
  // Parameters hold URLs, too (endpoint, storage_url), encoded or not.
  char before = '?';
  for (const std::string_view pair : split(url.substr(mark + 1), '&')) {
    masked += std::exchange(before, '&');
    const std::string plain = percent_decode(pair).value_or(std::string(pair));
    const std::string shown = mask_user_of_host(plain);
    masked += shown == plain ? std::string(pair) : shown;
  }
  return masked;
}

std::optional<problem> check_origin(std::string_view url) {
  const std::size_t end = url.find("://");
  if (end == std::string_view::npos || end == 0) return refuse(url, "not a URL");
  const bool odd_byte =
      std::any_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  if (odd_byte) return refuse(url, "a space or control character", "a percent-encoded URL (%20)");
  const std::string_view scheme = url.substr(0, end);
  const std::string_view behind = url.substr(end + 3);
  if (scheme == "abfs" || scheme == "abfss") return refusal_of(url, origin::azure::parse_location(url));
  if (behind.substr(0, behind.find_first_of("/?#")).find('@') != std::string_view::npos) {
    return refuse(url, "a user in it", "an entry of [[credentials]], named by ?credentials=NAME");
  }
  if (scheme == "s3") return check_s3(url);
  if (scheme == "http" || scheme == "https") return check_web(url);
  if (scheme == "gs") return refusal_of(url, origin::gcs::parse_location(url));
  if (scheme == "az") return refusal_of(url, origin::azure::parse_location(url));
  if (scheme == "gcs" || scheme == "azure")
    return refuse(url, fmt::format("the scheme \"{}\"", scheme), scheme == "gcs" ? "gs://" : "az://");
  if (scheme == "swift") return refusal_of(url, origin::swift::parse_location(url));
  if (scheme == "ipfs") return refusal_of(url, origin::ipfs::parse_location(url));
  if (scheme == "file") return refusal_of(url, origin::file::file_source::parse(url));
  return refuse(url, fmt::format("the scheme \"{}\"", scheme));
}

std::optional<problem> check_proxy(std::string_view url) {
  const auto expected = "a proxy such as http://proxy.example.org:3128, https://... or socks5h://...";
  const auto target = http::parse_proxy(url);
  if (!target) return refuse(url, target.error().context, expected);
  const auto parts = http::parse_url(url);
  const bool bare = parts && parts->path == "/" && url.find_first_of("?#") == std::string_view::npos;
  if (!bare || parts->host.empty() || parts->port == 0) return refuse(url, "more than a host and a port", expected);
  return std::nullopt;
}

} // namespace forebay::app
