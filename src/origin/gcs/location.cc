#include "origin/gcs/location.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace forebay::origin::gcs {
namespace {

tl::unexpected<error> invalid(std::string_view url, std::string context) {
  // Without its parameters: an endpoint may hold a password.
  return fail(error_kind::invalid_input, std::string(url.substr(0, url.find('?'))), std::move(context));
}

/// 3 to 63 of these, up to 222 with dots; capital letters are of the oldest.
bool is_bucket(std::string_view name) {
  return name.size() >= 3 && name.size() <= 222 && name.find("..") == std::string_view::npos &&
         std::isalnum(static_cast<unsigned char>(name.front())) != 0 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_'; });
}

bool is_project(std::string_view name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == ':';
  });
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
  } else if (name == "auth") {
    if (value != "metadata") return invalid(url, fmt::format("found auth={}, expected metadata", value));
    where.metadata = true;
  } else if (name == "user_project") {
    if (!is_project(value)) return invalid(url, fmt::format("found user_project={}, expected a project", value));
    where.user_project = value;
  } else {
    return fail(unknown_parameter(url, name, {"endpoint", "anonymous", "credentials", "auth", "user_project"}));
  }
  return {};
}

} // namespace

result<location> parse_location(std::string_view url) {
  if (!url.starts_with("gs://")) return invalid(url, "expected gs://bucket[/prefix]");
  auto parts = parse_store_url(url);
  if (!parts) return fail(std::move(parts.error()));
  location where;
  where.endpoint = *parse_store_endpoint(url, std::string(public_endpoint));
  where.bucket = parts->authority;
  where.prefix = parts->path;
  if (!is_bucket(where.bucket)) {
    return invalid(url, fmt::format("found \"{}\", expected a bucket's name: 3 to 63 letters, digits, '-', '_' and '.'",
                                    where.bucket));
  }
  for (const auto& [name, value] : parts->parameters) {
    auto set = set_parameter(where, url, name, value);
    if (!set) return fail(std::move(set.error()));
  }
  const int named = (where.anonymous ? 1 : 0) + (where.metadata ? 1 : 0) + (where.credentials.empty() ? 0 : 1);
  if (named > 1) return invalid(url, "found several of anonymous, credentials and auth, expected one of them");
  if (where.anonymous && !where.user_project.empty())
    return invalid(url, "found user_project beside anonymous=true: who pays has to say who it is");
  return where;
}

} // namespace forebay::origin::gcs
