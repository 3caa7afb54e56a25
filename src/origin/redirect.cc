#include "origin/redirect.h"

#include <fmt/format.h>

#include "http/url.h"

namespace forebay::origin {

bool is_redirect(const http::response_head& head) {
  switch (head.status) {
  case 301:
  case 302:
  case 303:
  case 307:
  case 308: return head.fields.has("Location");
  default: return false;
  }
}

result<std::string> next_hop(const std::string& from, const http::response_head& head, const std::string& source) {
  const auto location = head.fields.get("Location");
  if (!location) return fail(error_kind::broken, source, fmt::format("it answered {} without Location", head.status));
  auto resolved = http::resolve_reference(from, *location);
  const auto parts = resolved ? http::parse_url(*resolved) : tl::unexpected<error>(resolved.error());
  if (!parts || (parts->scheme != "http" && parts->scheme != "https")) {
    return fail(error_kind::broken, source, "it redirects to what is no http(s) URL");
  }
  if (from.starts_with("https:") && parts->scheme == "http") {
    return fail(error_kind::forbidden, source,
                fmt::format("it redirects from https to http ({}), which is not followed", parts->host));
  }
  return resolved;
}

} // namespace forebay::origin
