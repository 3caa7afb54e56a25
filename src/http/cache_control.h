// Cache-Control and its kin (RFC 9111 §5.2, RFC 5861, RFC 8246).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forebay::http {

/// Directives of a request or response. Delta-seconds saturate at 2^31-1 (RFC 9111 §1.2.2); a malformed
/// max-age or s-maxage counts as stale (0), per RFC 9111 §4.2.1.
struct cache_control {
  bool no_store = false, no_cache = false, is_private = false, is_public = false;
  bool must_revalidate = false, proxy_revalidate = false, must_understand = false;
  bool no_transform = false, only_if_cached = false, immutable = false;
  bool max_stale_any = false;                               ///< request: max-stale without a value
  std::vector<std::string> no_cache_fields, private_fields; ///< lower-case names of the qualified forms
  std::optional<std::chrono::seconds> max_age, s_maxage, max_stale, min_fresh;
  std::optional<std::chrono::seconds> stale_while_revalidate, stale_if_error;
};

/// All Cache-Control values of a message, joined by commas. Unknown directives are ignored, quoted values
/// accepted, of repeated directives the first counts (for max-age the smaller).
cache_control parse_cache_control(std::string_view joined);

} // namespace forebay::http
