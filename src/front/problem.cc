#include "front/problem.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace forebay::front {
namespace {

/// What a reader is told to wait when a limit of ours was reached and nobody said how long: the time in which
/// a loop works off a queue, many times over.
constexpr std::chrono::seconds own_retry_after{1};

std::string dashed(std::string_view kind) {
  std::string text(kind);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

} // namespace

unsigned status_of(error_kind kind) noexcept {
  switch (kind) {
  case error_kind::invalid_input: return 400;
  case error_kind::unauthorised: return 401;
  case error_kind::forbidden: return 403;
  case error_kind::not_found: return 404;
  case error_kind::gone: return 410;
  case error_kind::range_unsatisfiable: return 416;
  case error_kind::changed: return 412;
  case error_kind::throttled: return 503;
  case error_kind::timeout: return 504;
  case error_kind::unreachable: return 502;
  case error_kind::broken: return 502;
  case error_kind::unsupported: return 501;
  case error_kind::exhausted: return 503;
  case error_kind::cancelled: return 503;
  case error_kind::internal: return 500;
  }
  return 500;
}

unsigned status_of(const error& why) noexcept {
  return why.kind == error_kind::exhausted && why.source == "client" ? 429 : status_of(why.kind);
}

http::response make_text(unsigned status, std::string_view content_type, std::string text, bool head_only) {
  http::response answer;
  answer.head.status = status;
  answer.head.fields.add("Content-Type", content_type);
  answer.length_bytes = text.size();
  if (!head_only) answer.body = http::make_body(std::move(text));
  return answer;
}

std::string problem_document(const error& why, unsigned status, const problem_words& words) {
  const std::string kind = words.type.empty() ? dashed(to_string(why.kind)) : std::string(words.type);
  nlohmann::ordered_json document;
  document["type"] = "urn:forebay:" + kind;
  document["title"] = http::reason_phrase(status);
  document["status"] = status;
  document["detail"] = to_valid_utf8(why.context);
  document["instance"] = to_valid_utf8(words.instance);
  document["origin"] = to_valid_utf8(why.source);
  document["cause"] = to_string(why.kind);
  if (why.origin_status != 0) document["origin_status"] = why.origin_status;
  return document.dump() + "\n";
}

http::response make_problem(const error& why, unsigned status, problem_words words) {
  auto answer = make_text(status, "application/problem+json", problem_document(why, status, words), words.head_only);
  auto& fields = answer.head.fields;
  fields.add("Cache-Control", "no-store");
  fields.add("Access-Control-Allow-Origin", "*");
  if (why.retry_after) {
    fields.add("Retry-After", fmt::format("{}", why.retry_after->count()));
  } else if (status == 503) {
    fields.add("Retry-After", fmt::format("{}", own_retry_after.count()));
  }
  if (status == 401) fields.add("WWW-Authenticate", "Bearer realm=\"forebay\"");
  return answer;
}

http::response make_not_allowed(std::string_view method, std::string_view allow, problem_words words,
                                std::string_view advice) {
  const error why{error_kind::unsupported, "node",
                  fmt::format("{} is not a method of this resource; allowed are {}{}{}", method, allow,
                              advice.empty() ? "" : ". ", advice)};
  words.type = "method-not-allowed";
  auto answer = make_problem(why, 405, words);
  answer.head.fields.add("Allow", allow);
  return answer;
}

} // namespace forebay::front
