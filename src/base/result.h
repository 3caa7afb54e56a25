// Failures as values: what every function that can fail returns.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace forebay {

/// What went wrong, in the terms a caller can act on. `front/` maps kinds to HTTP status codes.
enum class error_kind {
  invalid_input,       ///< the caller's words are off: 400, exit code 2
  unauthorised,        ///< no or bad credentials were shown to us: 401
  forbidden,           ///< policy, or the store itself, refuses: 403
  not_found,           ///< the origin said 404 (never guessed from another failure): 404
  gone,                ///< the origin said 410: 410
  range_unsatisfiable, ///< the range lies beyond the object: 416
  changed,             ///< the pinned version is no longer what the origin holds: 412 or a broken-off body
  throttled,           ///< the origin asks us to slow down (429, 503 SlowDown): 503 with Retry-After
  timeout,             ///< a deadline passed: 504
  unreachable,         ///< no connection, refused, name not resolved, breaker open: 502
  broken,              ///< the other side broke the protocol, truncated or damaged data: 502
  unsupported,         ///< the store or the node cannot do this: 501 or 405
  exhausted,           ///< a named limit of this node was reached: 503 with Retry-After
  cancelled,           ///< the one who asked is gone
  internal,            ///< a defect of ours or of a library: 500
};

/// The kind's name as written in logs, metrics and problem+json (`"not_found"`).
std::string_view to_string(error_kind kind) noexcept;

/// A failure: what kind, who said it, in what circumstances, and whether trying again can help.
struct error {
  error_kind kind = error_kind::internal;
  std::string source;  ///< who failed: "origin s3://era5-pds", "config", "memory tier"; never a secret
  std::string context; ///< one sentence for a person: what was done, found and expected
  bool retryable = false;
  int origin_status = 0;                             ///< HTTP status of the origin where there was one, else 0
  std::optional<std::chrono::seconds> retry_after{}; ///< the origin's Retry-After, passed on

  /// "source: context (kind)" for logs.
  std::string message() const;
};

template <class T = void>
using result = tl::expected<T, error>;

/// `return fail(error_kind::timeout, "origin x", "no first byte within 10 s");`
inline tl::unexpected<error> fail(error_kind kind, std::string source, std::string context, bool retryable = false) {
  return tl::unexpected<error>(error{kind, std::move(source), std::move(context), retryable});
}
inline tl::unexpected<error> fail(error e) { return tl::unexpected<error>(std::move(e)); }

} // namespace forebay
