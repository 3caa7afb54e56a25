#include "origin/swift/location.h"

#include <fmt/format.h>

#include "base/text.h"
#include "http/url.h"
#include "origin/origin_url.h"

namespace forebay::origin::swift {
namespace {

tl::unexpected<error> invalid(std::string_view url, std::string why) {
  return fail(error_kind::invalid_input, std::string(url.substr(0, url.find('?'))), std::move(why));
}

/// A parameter that must be an http(s) URL without user and query; empty where it is not given.
result<std::string> web_url(std::string_view url, const origin_url& parsed, std::string_view name) {
  std::string value = parsed.get(name);
  while (value.ends_with('/')) value.pop_back();
  if (value.empty()) return value;
  const auto parts = http::parse_url(value);
  const bool web = parts && (parts->scheme == "http" || parts->scheme == "https") && !parts->host.empty();
  if (!web || parts->credentials || !parts->query.empty()) {
    return invalid(url, fmt::format("{} is no http(s) URL without user and query", name));
  }
  return value;
}

result<sign_in> sign_in_of(std::string_view url, const std::string& written, const std::string& auth_url) {
  if (auth_url.empty()) {
    if (!written.empty()) return invalid(url, "found auth without auth_url");
    return sign_in::none;
  }
  if (written == "v1") return sign_in::temp_auth;
  if (written == "v3") return sign_in::password;
  if (written == "application") return sign_in::application;
  if (!written.empty()) return invalid(url, fmt::format("found auth={}, expected v1, v3 or application", written));
  return auth_url.find("/v3") != std::string::npos ? sign_in::password : sign_in::temp_auth;
}

} // namespace

result<location> parse_location(std::string_view url) {
  auto parsed = parse_origin_url(url, "swift",
                                 {"storage_url", "auth_url", "auth", "credentials", "project", "project_domain",
                                  "user_domain", "region", "interface"});
  if (!parsed) return fail(std::move(parsed.error()));
  location where;
  const auto container = percent_decode(parsed->authority);
  if (!container || container->empty() || container->size() > 256 || container->find('/') != std::string::npos) {
    return invalid(url, "expected swift://container[/prefix]");
  }
  where.container = *container;
  where.prefix = parsed->path;
  while (where.prefix.starts_with('/')) where.prefix.erase(0, 1);
  auto storage = web_url(url, *parsed, "storage_url");
  auto auth = web_url(url, *parsed, "auth_url");
  if (!storage) return fail(std::move(storage.error()));
  if (!auth) return fail(std::move(auth.error()));
  where.storage_url = std::move(*storage);
  where.auth_url = std::move(*auth);
  if (where.storage_url.empty() && where.auth_url.empty()) return invalid(url, "expected storage_url or auth_url");
  auto how = sign_in_of(url, parsed->get("auth"), where.auth_url);
  if (!how) return fail(std::move(how.error()));
  where.how = *how;
  where.credentials = parsed->get("credentials");
  if (where.auth_url.empty() != where.credentials.empty())
    return invalid(url, "expected auth_url and credentials, or neither");
  where.project = parsed->get("project");
  where.region = parsed->get("region");
  if (const std::string domain = parsed->get("project_domain"); !domain.empty()) where.project_domain = domain;
  if (const std::string domain = parsed->get("user_domain"); !domain.empty()) where.user_domain = domain;
  if (const std::string interface = parsed->get("interface"); !interface.empty()) where.interface = interface;
  if (where.interface != "public" && where.interface != "internal" && where.interface != "admin") {
    return invalid(url, fmt::format("found interface={}, expected public, internal or admin", where.interface));
  }
  if (where.how == sign_in::password && where.project.empty()) return invalid(url, "expected project beside auth=v3");
  return where;
}

} // namespace forebay::origin::swift
