// Entity tags and preconditions (RFC 9110 §8.8.3, §13).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/headers.h"

namespace forebay::http {

/// An entity tag: `opaque` without quotes.
struct etag {
  bool weak = false;
  std::string opaque;
  std::string to_string() const; ///< "\"x\"" or "W/\"x\""
  friend bool operator==(const etag&, const etag&) = default;
};
std::optional<etag> parse_etag(std::string_view text);
/// A list of tags as in If-None-Match; `any` for "*". Nothing on bad syntax. (Unquoted tags, which some
/// clients send, are taken as opaque strong tags.)
struct etag_list {
  bool any = false;
  std::vector<etag> tags;
};
std::optional<etag_list> parse_etag_list(std::string_view text);
bool strong_match(const etag& a, const etag& b) noexcept;
bool weak_match(const etag& a, const etag& b) noexcept;

/// What the preconditions of a request say about the selected representation (RFC 9110 §13.2.2).
enum class precondition { proceed, not_modified, failed };

/// The validators of a representation; what it does not have is absent.
struct validators {
  std::optional<etag> tag;
  std::optional<wall_time> last_modified;
};

/// Evaluates If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since in the standard's order.
/// `safe_method`: GET or HEAD.
precondition evaluate_preconditions(const header_table& request, const validators& have, bool safe_method,
                                    wall_time now);
/// True when Range may be applied: no If-Range, or it matches strongly (RFC 9110 §13.1.5). `last_modified`
/// counts as strong only if `date` of the response is at least one second later.
bool if_range_holds(const header_table& request, const validators& have, std::optional<wall_time> date, wall_time now);

} // namespace forebay::http
