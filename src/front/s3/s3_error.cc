#include "front/s3/s3_error.h"

#include <fmt/format.h>

#include "base/text.h"
#include "front/problem.h"

namespace forebay::front::s3 {

namespace {

s3_failure words_of(const error& why, subject about) {
  switch (why.kind) {
  case error_kind::invalid_input: return {400, "InvalidRequest", why.context};
  case error_kind::unauthorised:
  case error_kind::forbidden: return {403, "AccessDenied", why.context};
  case error_kind::not_found:
  case error_kind::gone: {
    const bool no_bucket = about == subject::bucket || why.context.find("NoSuchBucket") != std::string::npos;
    return {404, no_bucket ? "NoSuchBucket" : "NoSuchKey", why.context};
  }
  case error_kind::range_unsatisfiable: return {416, "InvalidRange", why.context};
  case error_kind::throttled:
  case error_kind::exhausted: return {503, "SlowDown", why.context, why.retry_after.value_or(std::chrono::seconds(1))};
  case error_kind::changed: // no condition of the reader's failed: it may try again
  case error_kind::timeout:
  case error_kind::unreachable:
  case error_kind::broken: return {503, "ServiceUnavailable", why.context, why.retry_after};
  case error_kind::unsupported: return {501, "NotImplemented", why.context};
  case error_kind::cancelled:
  case error_kind::internal: break;
  }
  return {500, "InternalError", why.context};
}

} // namespace

s3_failure failure_of(const error& why, subject about) {
  s3_failure made = words_of(why, about);
  made.kind = why.kind;
  return made;
}

void append_element(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format("<{0}>{1}</{0}>", name, xml_escape(to_valid_utf8(text)));
}

http::response make_xml(unsigned status, std::string body, bool head_only) {
  return make_text(status, "application/xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + body, head_only);
}

http::response make_failure(const s3_failure& why, const http::request& asked) {
  const std::string_view target = asked.head.target;
  std::string body = "<Error>";
  append_element(body, "Code", why.code);
  append_element(body, "Message", why.message);
  append_element(body, "Resource", target.substr(0, target.find('?'))); // a query may hold a signature
  append_element(body, "RequestId", asked.id);
  body += "</Error>";
  auto answer = make_xml(why.status, std::move(body), asked.head.method == "HEAD");
  answer.head.fields.add("Cache-Control", "no-store");
  if (why.retry_after) answer.head.fields.add("Retry-After", fmt::format("{}", why.retry_after->count()));
  return answer;
}

} // namespace forebay::front::s3
