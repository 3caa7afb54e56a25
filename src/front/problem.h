// Errors as readers see them: application/problem+json (RFC 9457).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace forebay::front {

/// The HTTP status of a failure (base/result.h has the table). A dead origin is a 5xx, never a 404.
unsigned status_of(error_kind kind) noexcept;
/// The same, and 429 where it was the client's own doing (`source` "client").
unsigned status_of(const error& why) noexcept;

/// What a problem document says beside the error itself.
struct problem_words {
  std::string_view type;     ///< last part of the `type` URN ("unknown-namespace"); empty: the error's kind
  std::string_view instance; ///< the request's path, without its query (a query may hold a signature)
  bool head_only = false;    ///< HEAD: the head of the same answer
};

/// The document: type, title, status, detail, instance, origin and cause; with a line's end.
std::string problem_document(const error& why, unsigned status, const problem_words& words);
/// The answer: a document with type, title, status, detail, instance, origin and cause; Cache-Control: no-store;
/// Retry-After where waiting may help; CORS, because browsers read errors as well.
http::response make_problem(const error& why, unsigned status, problem_words words);
inline http::response make_problem(const error& why, problem_words words) {
  return make_problem(why, status_of(why), words);
}

/// A small whole answer of text; `head_only` keeps the length and leaves the body out.
http::response make_text(unsigned status, std::string_view content_type, std::string text, bool head_only);

/// 405 with Allow (RFC 9110 §15.5.6); `advice`: what would make the method one of the resource.
http::response make_not_allowed(std::string_view method, std::string_view allow, problem_words words,
                                std::string_view advice = {});

} // namespace forebay::front
