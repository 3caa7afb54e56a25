// The metadata of a representation: immutable; a 304 makes a new one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "http/cache_control.h"
#include "http/etag.h"
#include "http/headers.h"
#include "origin/source.h"

namespace forebay::cache {

/// Head of a stored representation and what freshness needs of it (RFC 9111 §3, §4.2).
struct stored_head {
  unsigned version = 11;                       ///< of HTTP in which its origin answered last, 10 or 11: for Via
  unsigned status = 200;                       ///< of the whole representation: a stored 206 is a 200
  http::header_table fields;                   ///< end-to-end fields; without Content-Length, Content-Range, Age, Date
  std::shared_ptr<const std::string> rendered; ///< the same as "Name: value\r\n" lines, sent by reference
  http::header_table whole_fields; ///< fields that hold for a complete body alone (store checksums): sent with a 200
  std::string date;                ///< the origin's Date, or when we received it
  http::validators validators;
  origin::validator pinned;                  ///< kind none: the bytes cannot be combined
  std::optional<std::uint64_t> length_bytes; ///< absent while a fill of unknown length runs
  http::cache_control control;
  std::optional<std::chrono::seconds> expires_lifetime; ///< Expires - Date; 0 when Expires is malformed
  wall_time date_value{};
  std::chrono::seconds initial_age{}; ///< corrected_initial_age (RFC 9111 §4.2.3)
  steady_time received{};             ///< resident time is counted from here, on the steady clock
  std::vector<std::string> tags;      ///< surrogate tags (Surrogate-Key, Cache-Tag)
};

/// Whole seconds from one date to another: dates of a far year are too far apart for the clock's own unit.
constexpr std::chrono::seconds seconds_between(wall_time from, wall_time to) noexcept {
  using std::chrono::seconds;
  return std::chrono::floor<seconds>(to.time_since_epoch()) - std::chrono::floor<seconds>(from.time_since_epoch());
}

/// Seconds of age now (RFC 9111 §4.2.3), saturated at 2^31-1.
std::chrono::seconds age_of(const stored_head& head, steady_time now) noexcept;

/// The head of what a store just answered. `steady_now` is when the answer came.
stored_head make_stored_head(const origin::read_answer& answer, steady_time steady_now);
/// True when a 304 names another entity tag than the one that was asked about: its server went by the date alone.
bool names_another(const stored_head& old, const origin::read_answer& answer);
/// `old` after a 304 brought `answer`: its fields replace those of the same name (RFC 9111 §3.2).
stored_head refreshed_head(const stored_head& old, const origin::read_answer& answer, steady_time steady_now);

} // namespace forebay::cache
