// Freshness decisions (RFC 9111 §3, §4, §5.2; RFC 5861; RFC 8246). Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "cache/stored_head.h"
#include "space/space.h"

namespace forebay::cache {

/// May a shared cache keep this answer to a GET? (RFC 9111 §3)
bool storable(const stored_head& head, const space::freshness_policy& policy);

/// How long it is fresh from its birth: immutable patterns, the namespace's ttl, s-maxage, max-age, Expires,
/// a tenth of its age since Last-Modified (between 5 s and a day, RFC 9111 §4.2.2), in this order.
std::chrono::seconds freshness_lifetime(const stored_head& head, const space::freshness_policy& policy,
                                        std::string_view key);

/// The word on it that needs no guess: the namespace's own (immutable patterns, its ttl), s-maxage, max-age or Expires,
/// in this order.
std::optional<std::chrono::seconds> stated_lifetime(const stored_head& head, const space::freshness_policy& policy,
                                                    std::string_view key);
/// A tenth of the time it was left unchanged, at most a day (RFC 9111 §4.2.2).
std::chrono::seconds guessed_lifetime(const stored_head& head, wall_time last_modified);
/// Statuses that may be kept without a word of their origin (RFC 9110 §15.1).
bool heuristically_cacheable(unsigned status) noexcept;

enum class usability {
  fresh,                  ///< serve it
  stale_while_revalidate, ///< serve it and ask the origin beside
  must_ask,               ///< ask the origin first
};

struct freshness {
  usability use;
  std::chrono::seconds ttl; ///< lifetime - age; negative when stale
};

/// What to do with a stored answer of `age` for a request with these directives.
freshness decide(const stored_head& head, const space::freshness_policy& policy, std::string_view key,
                 std::chrono::seconds age, const http::cache_control& request);

/// May it be served although it is stale by `-ttl`, because its origin fails? (RFC 5861 §4)
bool usable_on_error(const stored_head& head, const space::freshness_policy& policy, std::chrono::seconds ttl);

} // namespace forebay::cache
