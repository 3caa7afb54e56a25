#include "origin/s3/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "base/text.h"
#include "http/url.h"
#include "net/address.h"
#include "origin/store_url.h"

namespace forebay::origin::s3 {
namespace {

constexpr std::string_view aws_domain = "amazonaws.com";

tl::unexpected<error> invalid(std::string_view url, std::string context) {
  // Without its parameters: an endpoint may hold a password.
  return fail(error_kind::invalid_input, std::string(url.substr(0, url.find('?'))), std::move(context));
}

/// What a path can hold: other stores, and AWS before 2018, made such names.
bool is_old_bucket_name(std::string_view name) {
  return name.size() >= 1 && name.size() <= 255 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_'; });
}

bool is_region(std::string_view name) {
  return name.size() <= 64 && std::all_of(name.begin(), name.end(),
                                          [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
}

result<void> set_endpoint(location& where, std::string_view url, const std::string& value) {
  const auto parts = http::parse_url(value);
  const bool usable = parts && (parts->scheme == "http" || parts->scheme == "https") && !parts->credentials &&
                      parts->query.empty() && !parts->host.empty();
  if (!usable) return invalid(url, unusable_endpoint(value));
  where.scheme = parts->scheme;
  where.host = parts->host;
  where.port = parts->port;
  where.base_path = parts->path;
  while (where.base_path.ends_with('/')) where.base_path.pop_back();
  return {};
}

key_service service_of(std::string_view name) {
  if (name == "instance") return key_service::instance;
  if (name == "container") return key_service::container;
  return name == "web-identity" ? key_service::web_identity : key_service::none;
}

result<void> set_parameter(location& where, std::string_view url, std::string_view name, const std::string& value,
                           std::optional<addressing>& style) {
  if (name == "endpoint") return set_endpoint(where, url, value);
  if (name == "region") {
    if (!is_region(value)) return invalid(url, fmt::format("found region \"{}\", expected a name as us-east-1", value));
    where.region = value;
  } else if (name == "anonymous" || name == "requester_pays") {
    if (value != "true" && value != "false")
      return invalid(url, fmt::format("found {}={}, expected true or false", name, value));
    (name == "anonymous" ? where.keys.anonymous : where.requester_pays) = value == "true";
  } else if (name == "style") {
    if (value != "path" && value != "virtual")
      return invalid(url, fmt::format("found style={}, expected path or virtual", value));
    style = value == "path" ? addressing::path : addressing::virtual_host;
  } else if (name == "profile") {
    where.keys.profile = value;
  } else if (name == "credentials") {
    where.keys.credentials = value;
  } else if (name == "auth") {
    where.keys.service = service_of(value);
    if (where.keys.service == key_service::none)
      return invalid(url, fmt::format("found auth={}, expected instance, container or web-identity", value));
  } else {
    static const std::vector<std::string_view> known = {"endpoint", "region",      "anonymous", "style",
                                                        "profile",  "credentials", "auth",      "requester_pays"};
    const std::string_view near = nearest_word(name, known);
    return invalid(url, near.empty() ? fmt::format("found the unknown parameter \"{}\"", name)
                                     : fmt::format("found the unknown parameter \"{}\"; is it {}?", name, near));
  }
  return {};
}

result<void> check_keys(const location& where, std::string_view url) {
  const key_choice& keys = where.keys;
  const bool service = keys.service != key_service::none;
  const bool named = !keys.profile.empty() || !keys.credentials.empty();
  if (keys.anonymous && (named || service))
    return invalid(url, "found anonymous=true beside keys, expected one of them");
  if (service && named) return invalid(url, "found auth= beside credentials or profile, expected one of them");
  if (where.requester_pays && keys.anonymous)
    return invalid(url, "found requester_pays=true beside anonymous=true: who pays has to say who it is");
  return {};
}

std::string host_with_port(const std::string& host, const std::string& scheme, std::uint16_t port) {
  const std::string bracketed = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const bool usual = (scheme == "https" && port == 443) || (scheme == "http" && port == 80);
  return usual ? bracketed : fmt::format("{}:{}", bracketed, port);
}

/// "us-east-1", "ap-southeast-5", "us-gov-west-1": two letters, words, a digit. Regions of the partitions that are
/// reached below amazonaws.com; the isolated ones ("us-iso-east-1") have the form, but names of their own.
bool is_region_of_known_partition(std::string_view region) {
  const auto words = split(region, '-');
  if (words.size() < 3 || words.size() > 4 || words[0].size() != 2 || words[1].starts_with("iso")) return false;
  const bool longer = words.size() == 4;
  if (longer != (words[1] == "gov") || words[0] == "cn") return false;
  const auto lower = [](std::string_view word) {
    return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  };
  const auto digit = words.back();
  return std::all_of(words.begin(), words.end() - 1, lower) && digit.size() == 1 && digit[0] >= '1' && digit[0] <= '9';
}

std::string aws_host(std::string_view region) {
  const std::string_view suffix = region.starts_with("cn-") ? ".cn" : "";
  return fmt::format("s3.{}.{}{}", region, aws_domain, suffix);
}

} // namespace

bool is_bucket_name(std::string_view name) noexcept {
  const auto is_end = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return name.size() >= 3 && name.size() <= 63 && is_end(name.front()) && is_end(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_end(c) || c == '-' || c == '.'; }) &&
         name.find("..") == std::string_view::npos && !net::ip_address::parse(name);
}

result<location> parse_location(std::string_view url) {
  constexpr std::string_view scheme = "s3://";
  if (!url.starts_with(scheme)) return invalid(url, "expected s3://bucket[/prefix]");
  std::string_view rest = url.substr(scheme.size());
  const std::size_t mark = rest.find('?');
  const std::string_view query = mark == std::string_view::npos ? std::string_view{} : rest.substr(mark + 1);
  rest = rest.substr(0, mark);
  location where;
  const std::size_t slash = rest.find('/');
  where.bucket = std::string(rest.substr(0, slash));
  if (slash != std::string_view::npos) {
    const auto prefix = percent_decode(rest.substr(slash + 1));
    if (!prefix) return invalid(url, "the prefix holds a bad percent-escape");
    where.prefix = *prefix;
    while (where.prefix.ends_with('/')) where.prefix.pop_back();
  }
  std::optional<addressing> style;
  for (const std::string_view each : split(query, '&')) {
    if (each.empty()) continue;
    const std::size_t equals = each.find('=');
    const auto value = percent_decode(equals == std::string_view::npos ? std::string_view{} : each.substr(equals + 1));
    if (!value) return invalid(url, "a parameter holds a bad percent-escape");
    auto set = set_parameter(where, url, each.substr(0, equals), *value, style);
    if (!set) return fail(std::move(set.error()));
  }
  auto kept = check_keys(where, url);
  if (!kept) return fail(std::move(kept.error()));
  const bool as_host = style.value_or(where.aws() ? addressing::virtual_host : addressing::path) != addressing::path;
  if (as_host && !is_bucket_name(where.bucket))
    return invalid(
        url, fmt::format("found \"{}\", expected {} (style=path for an older one)", where.bucket, bucket_name_rules));
  if (!is_old_bucket_name(where.bucket)) {
    return invalid(url, fmt::format("found \"{}\", expected a bucket's name: up to 255 letters, digits, '-', '.', '_'",
                                    where.bucket));
  }
  // A certificate for *.s3.amazonaws.com does not cover a bucket with dots; most other stores know paths only.
  const bool dotted = where.bucket.find('.') != std::string::npos;
  where.style = style.value_or(where.aws() && !dotted ? addressing::virtual_host : addressing::path);
  return where;
}

address address_of(const location& where, std::string_view region, std::string_view full_key) {
  address made;
  const std::string host = where.aws() ? aws_host(region) : where.host;
  made.host = host_with_port(host, where.scheme, where.port);
  made.encoded_path = where.base_path;
  if (where.style == addressing::virtual_host)
    made.host = where.bucket + "." + made.host;
  else
    made.encoded_path += "/" + encode_key(where.bucket);
  // The bucket itself is "/bucket", or "/" below a host of its own.
  if (!full_key.empty() || where.style == addressing::virtual_host) made.encoded_path += "/" + encode_key(full_key);
  made.origin = where.scheme + "://" + made.host;
  return made;
}

std::string canonical_endpoint(const location& where) {
  // Bucket names are unique in each of AWS' partitions, not over all of them.
  if (where.aws() && where.region.starts_with("cn-")) return "https://s3.amazonaws.com.cn:443";
  if (where.aws() && where.region.starts_with("us-gov-")) return "https://s3.us-gov.amazonaws.com:443";
  if (where.aws()) return "https://s3.amazonaws.com:443";
  return fmt::format("{}://{}:{}{}", where.scheme, where.host, where.port, where.base_path);
}

std::optional<recognised> recognise_aws(std::string_view host, std::string_view encoded_path) {
  if (!host.ends_with(".amazonaws.com")) return std::nullopt;
  host.remove_suffix(std::string_view(".amazonaws.com").size());
  const auto is_service = [](std::string_view label) { return label == "s3" || label.starts_with("s3."); };
  std::string bucket;
  if (!is_service(host)) { // the bucket comes first; it may hold dots itself
    std::size_t at = host.rfind(".s3.");
    if (host.ends_with(".s3")) at = host.size() - 3;
    if (at == std::string_view::npos || at == 0) return std::nullopt;
    bucket = std::string(host.substr(0, at));
    host.remove_prefix(at + 1);
  }
  // "s3", "s3.region"; not "s3.dualstack.region" or access points, which may answer otherwise.
  const std::string_view region = host.size() > 3 ? host.substr(3) : std::string_view{};
  if (!region.empty() && !is_region_of_known_partition(region)) return std::nullopt;
  if (encoded_path.starts_with('/')) encoded_path.remove_prefix(1);
  if (bucket.empty()) {
    const std::size_t slash = encoded_path.find('/');
    if (slash == std::string_view::npos || slash == 0) return std::nullopt;
    bucket = std::string(encoded_path.substr(0, slash));
    encoded_path.remove_prefix(slash + 1);
  }
  const auto key = percent_decode(encoded_path);
  if (!key || key->empty() || !is_old_bucket_name(bucket)) return std::nullopt;
  location where;
  where.region = region;
  return recognised{canonical_endpoint(where), bucket, *key};
}

} // namespace forebay::origin::s3
