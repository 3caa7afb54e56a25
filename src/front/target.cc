#include "front/target.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace forebay::front {
namespace {

error bad_target(std::string_view found) {
  return {error_kind::invalid_input, "request",
          "the request target must be an absolute path or an http(s) URL, found \"" +
              std::string(found.substr(0, 200)) + "\""};
}

/// Parameters whose value is a permission: of signed URLs of S3, GCS and Azure, of Swift's TempURL, of tokens.
constexpr std::array<std::string_view, 17> secret_parameters{"x-amz-signature",
                                                             "forebay-signature",
                                                             "x-amz-security-token",
                                                             "x-amz-credential",
                                                             "x-goog-signature",
                                                             "x-goog-credential",
                                                             "awsaccesskeyid",
                                                             "googleaccessid",
                                                             "signature",
                                                             "sig",
                                                             "temp_url_sig",
                                                             "token",
                                                             "access_token",
                                                             "authz",
                                                             "key",
                                                             "api_key",
                                                             "apikey"};

bool is_secret(std::string_view name) {
  // An encoded name means the same to the store that reads it.
  const auto decoded = percent_decode(name);
  const std::string_view plain = decoded ? std::string_view(*decoded) : name;
  return std::any_of(secret_parameters.begin(), secret_parameters.end(),
                     [plain](std::string_view secret) { return iequals(plain, secret); });
}

} // namespace

result<target> parse_target(std::string_view text) {
  if (text == "*") return target{"*", {}};
  std::string_view rest = text;
  if (rest.empty() || rest.find('#') != std::string_view::npos) return fail(bad_target(text));
  if (rest.front() != '/') {
    const auto scheme = rest.find("://");
    if (scheme == std::string_view::npos) return fail(bad_target(text));
    const std::string_view name = rest.substr(0, scheme);
    if (!iequals(name, "http") && !iequals(name, "https")) return fail(bad_target(text));
    rest.remove_prefix(scheme + 3);
    const auto authority_end = std::min(rest.find_first_of("/?"), rest.size());
    if (authority_end == 0) return fail(bad_target(text));
    rest.remove_prefix(authority_end);
  }
  const auto mark = rest.find('?');
  target parsed{std::string(rest.substr(0, mark)),
                mark == std::string_view::npos ? std::string() : std::string(rest.substr(mark + 1))};
  if (parsed.path.empty()) parsed.path = "/"; // "http://host?query" (RFC 9112 §3.2.1)
  return parsed;
}

bool is_admin_path(std::string_view path) noexcept {
  constexpr std::array<std::string_view, 5> paths{"/metrics", "/healthz", "/readyz", "/status", "/purge"};
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

std::string mask_target(std::string_view text) {
  const auto mark = text.find('?');
  if (mark == std::string_view::npos) return std::string(text);
  std::string masked(text.substr(0, mark + 1));
  bool first = true;
  for (const std::string_view pair : split(text.substr(mark + 1), '&')) {
    if (!first) masked.push_back('&');
    first = false;
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && is_secret(pair.substr(0, equals))) {
      masked.append(pair.substr(0, equals + 1)).append("***");
    } else {
      masked.append(pair);
    }
  }
  return masked;
}

bool holds_secret(std::string_view query) {
  const auto pairs = split(query, '&');
  return std::any_of(pairs.begin(), pairs.end(),
                     [](std::string_view pair) { return is_secret(pair.substr(0, pair.find('='))); });
}

} // namespace forebay::front
