// What an answer of a store means: its validator, its errors, and whether it is what was asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "origin/source.h"

namespace forebay::origin {

/// The strongest validator in the fields of an answer: Google's generation, a strong ETag, else a Last-Modified that is
/// strong per RFC 9110 §8.8.2.2 (the answer's Date is at least a second later). A weak ETag is none.
validator validator_of(const http::header_table& fields, wall_time now);

/// Adds the precondition that pins a read: If-Match, If-Unmodified-Since, or Google's for a generation.
void add_pin(http::header_table& fields, const validator& pin);

/// The Retry-After of an answer: seconds, or a date from which `now` is subtracted (RFC 9110 §10.2.3). At most a day.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, wall_time now);

/// What the body of an error answer said, where it could be read.
struct error_detail {
  std::string code;    ///< "NoSuchKey", "SlowDown"; empty: unknown
  std::string message; ///< one line for a person
};

/// The failure that a status of 400 and above (or an unexpected one) means. `source` is the origin's name.
error classify_status(unsigned status, const http::header_table& fields, const error_detail& detail,
                      const std::string& source, wall_time now);

/// The origin answered that whoever asks may not.
constexpr bool is_refusal(error_kind kind) noexcept {
  return kind == error_kind::unauthorised || kind == error_kind::forbidden;
}

/// True for failures that say something about the origin's health: the breaker counts them.
bool counts_against_origin(const error& failure) noexcept;

/// Turns the head of a success (2xx or 304) into an answer, and checks it against what was asked: status, pin
/// (validator and length), Content-Range and Content-Length. broken where the store contradicts itself,
/// changed where the version is another. The body is not moved.
result<read_answer> check_answer(const read_request& asked, http::response_head head, const std::string& source,
                                 wall_time requested, wall_time received);

} // namespace forebay::origin
