#include "http/url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include "base/text.h"

namespace forebay::http {
namespace {

struct url_handle {
  CURLU* inner = curl_url();
  url_handle() = default;
  url_handle(const url_handle&) = delete;
  url_handle& operator=(const url_handle&) = delete;
  ~url_handle() { curl_url_cleanup(inner); }

  std::string part(CURLUPart what, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(inner, what, &text, flags) != CURLUE_OK) return {};
    std::string copy = text;
    curl_free(text);
    return copy;
  }
  result<void> set(std::string_view url, unsigned flags) {
    const std::string terminated(url);
    if (terminated.find('\0') != std::string::npos) {
      return fail(error_kind::invalid_input, "url", "the URL holds a NUL byte");
    }
    const CURLUcode code =
        curl_url_set(inner, CURLUPART_URL, terminated.c_str(), flags | CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK) {
      return fail(error_kind::invalid_input, "url", fmt::format("not an absolute URL: {}", curl_url_strerror(code)));
    }
    return {};
  }
};

std::uint16_t port_of(const url_handle& parsed, const std::string& scheme) {
  constexpr std::uint16_t socks_port = 1080; // libcurl knows no default for it
  const auto written = parse_u64(parsed.part(CURLUPART_PORT, CURLU_DEFAULT_PORT));
  return static_cast<std::uint16_t>(written.value_or(scheme.starts_with("socks") ? socks_port : 0));
}

} // namespace

std::string url_parts::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port);
}

result<url_parts> parse_url(std::string_view url) {
  url_handle parsed;
  auto set = parsed.set(url, 0);
  if (!set) return fail(std::move(set.error()));
  url_parts parts;
  parts.scheme = to_lower(parsed.part(CURLUPART_SCHEME));
  parts.host = to_lower(parsed.part(CURLUPART_HOST));
  if (parts.host.size() > 2 && parts.host.front() == '[') parts.host = parts.host.substr(1, parts.host.size() - 2);
  parts.port = port_of(parsed, parts.scheme);
  parts.credentials = !parsed.part(CURLUPART_USER).empty() || !parsed.part(CURLUPART_PASSWORD).empty();
  parts.zone = !parsed.part(CURLUPART_ZONEID).empty();
  parts.path = parsed.part(CURLUPART_PATH);
  parts.query = parsed.part(CURLUPART_QUERY);
  if (parts.path.empty()) parts.path = "/";
  return parts;
}

result<std::string> resolve_reference(std::string_view base, std::string_view reference) {
  url_handle parsed;
  auto based = parsed.set(base, 0);
  if (!based) return fail(std::move(based.error()));
  auto resolved = parsed.set(reference, CURLU_ALLOW_SPACE);
  if (!resolved) return fail(std::move(resolved.error()));
  for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_FRAGMENT}) {
    curl_url_set(parsed.inner, part, nullptr, 0);
  }
  return parsed.part(CURLUPART_URL, CURLU_URLENCODE);
}

} // namespace forebay::http
