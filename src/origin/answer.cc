#include "origin/answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "http/date.h"
#include "http/etag.h"
#include "origin/store_codes.h"

namespace forebay::origin {
namespace {

/// Longest Retry-After that is passed on: more is a mistake or an outage that nobody waits for.
constexpr std::chrono::seconds retry_after_ceiling{86'400};

/// Google Cloud Storage numbers the versions of an object, over all its addresses and protocols.
constexpr std::string_view generation_field = "x-goog-generation";

/// "the range lies beyond the object; its length is 17 bytes": unsatisfied_length reads it back.
constexpr std::string_view length_words = "its length is ";

std::string quoted(std::string_view text) { return fmt::format("\"{}\"", text.substr(0, 200)); }

tl::unexpected<error> broken(const std::string& source, std::string context) {
  return fail(error_kind::broken, source, std::move(context));
}

/// The bytes that `asked` means of an object of `total` bytes, where the answer must begin and end.
bool is_range_asked(const http::range_spec& asked, byte_range got, std::optional<std::uint64_t> total) {
  if (total) {
    const auto expected = http::resolve(asked, *total);
    return expected && *expected == got;
  }
  if (asked.is_suffix()) return got.length_bytes() == asked.last; // where it lies is not told
  const bool ends_right = !asked.last || (got.end > 0 && got.end - 1 <= *asked.last);
  return got.begin == *asked.first && ends_right;
}

result<void> check_partial(const read_request& asked, const http::response_head& head, read_answer& answer,
                           const std::string& source) {
  if (!asked.range) return broken(source, "it answered 206 to a request without a range");
  const auto value = head.fields.get("Content-Range");
  if (!value) return broken(source, "it answered 206 without Content-Range");
  const auto parsed = http::parse_content_range(*value);
  if (!parsed || !parsed->range || head.fields.count("Content-Range") != 1) {
    return broken(source, fmt::format("it answered 206 with an unreadable Content-Range {}", quoted(*value)));
  }
  if (!is_range_asked(*asked.range, *parsed->range, parsed->length_bytes)) {
    return broken(source, fmt::format("it answered another range than was asked: Content-Range {}", quoted(*value)));
  }
  const auto length = head.fields.get("Content-Length");
  if (length && parse_u64(*length) != parsed->range->length_bytes()) {
    return broken(source, fmt::format("its Content-Range {} and Content-Length {} disagree", quoted(*value), *length));
  }
  answer.range = parsed->range;
  answer.length_bytes = parsed->length_bytes;
  return {};
}

result<void> check_pin(const read_request& asked, const read_answer& answer, const std::string& source) {
  if (asked.pin && answer.pinned != asked.pin) {
    return fail(error_kind::changed, source,
                fmt::format("the object changed: its validator was {}, now {}", asked.pin.value,
                            answer.pinned ? answer.pinned.value : std::string("it has none")));
  }
  const bool other_length =
      asked.pin_length_bytes && answer.length_bytes && *answer.length_bytes != *asked.pin_length_bytes;
  if (other_length) {
    return fail(
        error_kind::changed, source,
        fmt::format("the object changed: it had {} bytes, now {}", *asked.pin_length_bytes, *answer.length_bytes));
  }
  return {};
}

error_kind kind_of(unsigned status, bool throttled) {
  if (throttled) return error_kind::throttled;
  switch (status) {
  case 400: return error_kind::invalid_input;
  case 401: return error_kind::unauthorised;
  case 402:
  case 403:
  case 407:
  case 409: // Azure, where public access is switched off
  case 451: return error_kind::forbidden;
  case 404: return error_kind::not_found;
  case 405: return error_kind::unsupported;
  case 408: return error_kind::timeout;
  case 410: return error_kind::gone;
  case 412: return error_kind::changed;
  case 416: return error_kind::range_unsatisfiable;
  case 501: return error_kind::unsupported;
  case 502:
  case 503: return error_kind::unreachable;
  case 504: return error_kind::timeout;
  default: return status >= 400 && status < 500 ? error_kind::invalid_input : error_kind::broken;
  }
}

bool is_throttling(unsigned status, const http::header_table& fields, const error_detail& detail) {
  if (status == 429) return true;
  const bool slow_down = detail.code == "SlowDown" || detail.code == "Slow Down" || detail.code == "ServerBusy" ||
                         detail.code == "RequestLimitExceeded" || detail.code == "TooManyRequests";
  return status == 503 && (slow_down || fields.has("Retry-After"));
}

} // namespace

std::optional<std::uint64_t> unsatisfied_length(const error& failure) {
  if (failure.kind != error_kind::range_unsatisfiable) return std::nullopt;
  const std::size_t at = failure.context.rfind(length_words);
  if (at == std::string::npos) return std::nullopt;
  const std::string_view rest = std::string_view(failure.context).substr(at + length_words.size());
  return parse_u64(rest.substr(0, rest.find(' ')));
}

validator validator_of(const http::header_table& fields, wall_time now) {
  if (const auto generation = fields.get(generation_field)) {
    if (parse_u64(*generation) && fields.count(generation_field) == 1)
      return {validator_kind::store_version, std::string(*generation)};
  }
  if (const auto text = fields.get("ETag")) {
    const auto tag = http::parse_etag(*text);
    if (tag && !tag->weak && fields.count("ETag") == 1) return {validator_kind::strong_etag, std::string(*text)};
  }
  const auto modified_text = fields.get("Last-Modified");
  const auto date_text = fields.get("Date");
  if (!modified_text || !date_text) return {};
  const auto modified = http::parse_date(*modified_text, now);
  const auto date = http::parse_date(*date_text, now);
  if (!modified || !date || *date - *modified < std::chrono::seconds(1)) return {};
  return {validator_kind::last_modified, std::string(*modified_text)};
}

void add_pin(http::header_table& fields, const validator& pin) {
  if (pin.kind == validator_kind::strong_etag) fields.set("If-Match", pin.value);
  if (pin.kind == validator_kind::store_version) fields.set("x-goog-if-generation-match", pin.value);
  if (pin.kind == validator_kind::last_modified) fields.set("If-Unmodified-Since", pin.value);
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, wall_time now) {
  value = trim(value);
  if (const auto seconds = parse_u64(value)) {
    return std::min(retry_after_ceiling, std::chrono::seconds(std::min<std::uint64_t>(*seconds, 1'000'000)));
  }
  const auto date = http::parse_date(value, now);
  if (!date) return std::nullopt;
  const auto wait = std::chrono::ceil<std::chrono::seconds>(*date - now);
  return std::clamp(wait, std::chrono::seconds(0), retry_after_ceiling);
}

error classify_status(unsigned status, const http::header_table& fields, const error_detail& detail,
                      const std::string& source, wall_time now) {
  const bool throttled = is_throttling(status, fields, detail);
  error failure;
  failure.kind = kind_of(status, throttled);
  failure.source = source;
  failure.origin_status = static_cast<int>(status);
  failure.retryable = throttled || status == 408 || (status >= 500 && status != 501 && status != 505);
  if (const auto wait = fields.get("Retry-After")) failure.retry_after = parse_retry_after(*wait, now);
  failure.context = fmt::format("the origin answered {} {}", status, http::reason_phrase(status));
  if (!detail.code.empty()) failure.context += fmt::format(", {}", detail.code);
  if (!detail.message.empty()) failure.context += fmt::format(": {}", detail.message);
  if (const code_meaning* meaning = find_code_meaning(detail.code)) {
    if (meaning->kind) failure.kind = *meaning->kind;
    failure.retryable = failure.retryable || meaning->retryable;
    if (!meaning->advice.empty()) failure.context += fmt::format(" ({})", meaning->advice);
  }
  if (failure.kind == error_kind::range_unsatisfiable) {
    const auto value = fields.get("Content-Range");
    const auto parsed = value ? http::parse_content_range(*value) : std::nullopt;
    failure.context = "the range lies beyond the object";
    if (parsed && parsed->length_bytes)
      failure.context += fmt::format("; {}{} bytes", length_words, *parsed->length_bytes);
  }
  return failure;
}

bool counts_against_origin(const error& failure) noexcept {
  if (failure.origin_status != 0)
    return failure.origin_status >= 500 && failure.kind != error_kind::throttled &&
           failure.kind != error_kind::unsupported;
  return failure.kind == error_kind::unreachable || failure.kind == error_kind::timeout ||
         failure.kind == error_kind::broken;
}

result<read_answer> check_answer(const read_request& asked, http::response_head head, const std::string& source,
                                 wall_time requested, wall_time received) {
  read_answer answer;
  answer.status = head.status;
  answer.version = head.version;
  answer.requested = requested;
  answer.received = received;
  answer.pinned = validator_of(head.fields, received);
  if (head.status == 304) {
    if (!asked.if_none_match && !asked.if_modified_since) return broken(source, "it answered 304 without being asked");
  } else if (head.status == 206) {
    auto partial = check_partial(asked, head, answer, source);
    if (!partial) return fail(std::move(partial.error()));
  } else if (const auto length = head.fields.get("Content-Length")) {
    answer.length_bytes = parse_u64(*length);
  }
  if (head.status == 200 || head.status == 203 || head.status == 206) {
    auto pinned = check_pin(asked, answer, source);
    if (!pinned) return fail(std::move(pinned.error()));
  }
  http::remove_hop_by_hop(head.fields);
  answer.fields = std::move(head.fields);
  return answer;
}

} // namespace forebay::origin
