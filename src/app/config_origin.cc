// URLs of origins and proxies: checked in words, before anybody connects.
#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "app/config_values.h"
#include "base/text.h"
#include "net/address.h"

namespace forebay::app {
namespace {

/// RFC 3986 §3, split but not decoded.
struct url_parts {
  std::string scheme, user, host, port, path, query;
  bool has_user = false, has_query = false, has_fragment = false;
};

std::optional<url_parts> split_url(std::string_view text) {
  url_parts parts;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  parts.scheme = to_lower(text.substr(0, colon));
  text.remove_prefix(colon + 3);
  if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
    parts.has_fragment = true;
    text = text.substr(0, hash);
  }
  if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    parts.has_query = true;
    parts.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  const std::size_t slash = text.find('/');
  std::string_view authority = text.substr(0, slash);
  if (slash != std::string_view::npos) parts.path = text.substr(slash);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    parts.has_user = true;
    parts.user = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  const std::size_t bracket = authority.find(']');
  const std::size_t port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  parts.host = authority.substr(0, port);
  if (port != std::string_view::npos) parts.port = authority.substr(port + 1);
  return parts;
}

bool host_fits(std::string_view host) {
  if (host.starts_with('[')) return net::ip_address::parse(host).has_value();
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  };
  constexpr std::size_t longest_host = 253; // RFC 1035 §2.3.4, without the root's dot
  return !host.empty() && host.size() <= longest_host && std::all_of(host.begin(), host.end(), fits);
}

bool port_fits(std::string_view port) {
  const auto number = parse_u64(port);
  return number && *number >= 1 && *number <= 65'535;
}

bool bucket_fits(std::string_view name) {
  // Wider than Amazon's rule: other stores (Swift, Ceph) allow capitals, underscores and tenants ("tenant:bucket").
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == ':';
  };
  return !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), fits);
}

std::optional<problem> complain(std::string found, std::string expected) {
  return problem{std::move(found), std::move(expected)};
}

/// What both http(s) endpoints and http(s) origins must be.
std::optional<problem> check_authority(const url_parts& url, std::string_view text) {
  const std::string found = toml_string(without_userinfo(text));
  if (url.has_user)
    return complain(found + " with a user in it",
                    "a URL without a user; name an entry of [[credentials]] by ?credentials=NAME");
  if (!host_fits(url.host))
    return complain(found + fmt::format(" with the host \"{}\"", url.host),
                    "a host name or an address, such as https://data.example.org/prefix");
  if (!url.port.empty() && !port_fits(url.port))
    return complain(found + fmt::format(" with the port \"{}\"", url.port), "a port from 1 to 65535");
  return std::nullopt;
}

constexpr std::array<std::string_view, 6> s3_parameters{"endpoint", "region",  "anonymous",
                                                        "style",    "profile", "credentials"};
constexpr std::array<std::string_view, 1> web_parameters{"credentials"};

template <std::size_t N>
std::optional<problem> check_parameters(const url_parts& url, const std::array<std::string_view, N>& known) {
  std::vector<std::string_view> seen;
  for (const std::string_view pair : split(url.query, '&')) {
    const std::string_view name = pair.substr(0, pair.find('='));
    if (pair.empty() || pair.find('=') == std::string_view::npos || pair.back() == '=') {
      return complain(fmt::format("the parameter {}", toml_string(pair)), "parameters of the form name=value");
    }
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string_view near = nearest_word(name, {known.begin(), known.end()});
      return complain(fmt::format("the unknown parameter {}", toml_string(name)),
                      near.empty() ? fmt::format("one of {}", fmt::join(known, ", "))
                                   : fmt::format("perhaps \"{}\"", near));
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return complain(fmt::format("the parameter \"{}\" twice", name), "each parameter once");
    }
    if (!percent_decode(pair.substr(name.size() + 1))) {
      return complain(fmt::format("a bad percent-escape in the parameter \"{}\"", name), "%XX with hexadecimal digits");
    }
    seen.push_back(name);
  }
  return std::nullopt;
}

std::optional<problem> check_s3(const url_parts& url, std::string_view text) {
  const auto parameter = [text](std::string_view name) { return origin_parameter(text, name); };
  if (url.has_user) {
    return complain(toml_string(without_userinfo(text)) + " with a user in it",
                    "?credentials=NAME, an entry of [[credentials]]");
  }
  const std::string bucket = url.port.empty() ? url.host : fmt::format("{}:{}", url.host, url.port);
  if (!bucket_fits(bucket))
    return complain(fmt::format("the bucket {}", toml_string(bucket)), "s3://bucket or s3://bucket/prefix");
  if (url.has_query) {
    if (auto wrong = check_parameters(url, s3_parameters)) return wrong;
  }
  if (const auto endpoint = parameter("endpoint")) {
    const auto parts = split_url(*endpoint);
    if (!parts || (parts->scheme != "http" && parts->scheme != "https") || parts->has_query || parts->has_fragment) {
      return complain(fmt::format("the endpoint {}", toml_string(*endpoint)), "a URL such as https://s3.example.org");
    }
    if (auto wrong = check_authority(*parts, *endpoint)) return wrong;
  }
  const auto anonymous = parameter("anonymous");
  if (anonymous && *anonymous != "true" && *anonymous != "false") {
    return complain(fmt::format("anonymous={}", *anonymous), "anonymous=true or anonymous=false");
  }
  const auto style = parameter("style");
  if (style && *style != "path" && *style != "virtual")
    return complain(fmt::format("style={}", *style), "style=path or style=virtual");
  const bool named = parameter("credentials").has_value();
  const bool profile = parameter("profile").has_value();
  if (anonymous == "true" && (named || profile)) {
    return complain("anonymous=true beside credentials or a profile", "one of anonymous, credentials and profile");
  }
  if (named && profile) return complain("both credentials and profile", "one of them");
  return std::nullopt;
}

} // namespace

std::optional<std::string> origin_parameter(std::string_view url, std::string_view name) {
  const auto parts = split_url(url);
  if (!parts) return std::nullopt;
  for (const std::string_view pair : split(parts->query, '&')) {
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return percent_decode(pair.substr(name.size() + 1));
    }
  }
  return std::nullopt;
}

std::string without_userinfo(std::string_view url) {
  const std::size_t begin = url.find("://");
  if (begin == std::string_view::npos) return std::string(url);
  const std::size_t host = begin + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", host), url.size());
  const std::size_t at = url.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < host) return std::string(url);
  return fmt::format("{}...{}", url.substr(0, host), url.substr(at));
}

std::optional<problem> check_origin(std::string_view text) {
  constexpr std::string_view schemes = "a URL: https://host/prefix, http://host/prefix or s3://bucket/prefix";
  const auto url = split_url(text);
  if (!url) return complain(toml_string(text), std::string(schemes));
  const bool odd_byte =
      std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  if (odd_byte)
    return complain(toml_string(text) + " with a space or control character", "a percent-encoded URL (%20)");
  if (url->has_fragment)
    return complain(toml_string(text) + " with a fragment", "a URL without '#' (write %23 in a key)");
  if (!percent_decode(url->path))
    return complain(toml_string(text) + " with a bad percent-escape", "%XX with hexadecimal digits");
  if (url->scheme == "s3") return check_s3(*url, text);
  if (url->scheme == "http" || url->scheme == "https") {
    if (auto wrong = check_authority(*url, text)) return wrong;
    return url->has_query ? check_parameters(*url, web_parameters) : std::nullopt;
  }
  for (const std::string_view later : {"gs", "gcs", "az", "abfs", "abfss", "azure", "swift", "ipfs", "file"}) {
    if (url->scheme == later) {
      return complain(fmt::format("the scheme \"{}\"", later),
                      fmt::format("{} (that kind of store is not in this version)", schemes));
    }
  }
  return complain(fmt::format("the scheme {}", toml_string(url->scheme)), std::string(schemes));
}

std::optional<problem> check_proxy(std::string_view text) {
  const auto url = split_url(text);
  const std::string found = toml_string(without_userinfo(text));
  if (!url || (url->scheme != "http" && url->scheme != "https"))
    return complain(found, "a URL such as http://proxy.example.org:3128");
  if (!host_fits(url->host) || (!url->port.empty() && !port_fits(url->port)))
    return complain(found, "a host and a port from 1 to 65535");
  if (url->has_query || url->has_fragment || (!url->path.empty() && url->path != "/"))
    return complain(found, "a proxy's URL without a path");
  return std::nullopt;
}

} // namespace forebay::app
