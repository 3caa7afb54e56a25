// What RFC 9111 lets a shared cache keep and use. Pure.
#pragma once

#include <chrono>
#include <string_view>

#include "cache/stored_head.h"
#include "space/space.h"

namespace forebay::cache::messages {

/// May this answer to `request` be kept (RFC 9111 §3, §3.5, §5.2)? `directives` are the request's. Errors that a client
/// can provoke by what is in no cache key (400, 405, 413, 414, 431) only where their origin says how long.
bool storable(const stored_head& head, const http::header_table& request, const http::cache_control& directives);

/// The origin or the operator said how long it is fresh.
bool has_lifetime(const stored_head& head) noexcept;

/// How long it is fresh from its birth (RFC 9111 §4.2.1): the namespace's own word, s-maxage, max-age, Expires, or a
/// tenth of its age since Last-Modified, at most a day.
std::chrono::seconds lifetime(const stored_head& head, const space::freshness_policy& policy, std::string_view key);

enum class use { fresh, stale_allowed, stale_while_revalidate, must_ask };
struct verdict {
  use what;
  std::chrono::seconds ttl; ///< negative when stale
};
/// May it be used for a request with these directives (RFC 9111 §4)?
verdict decide_use(const stored_head& head, const space::freshness_policy& policy, std::string_view key,
                   std::chrono::seconds age, const http::cache_control& directives);

/// Stale is never good enough, whatever happens to the origin (RFC 9111 §4.2.4).
bool forbids_stale(const stored_head& head) noexcept;

/// May it stand in for an origin that fails, `-ttl` after its end (RFC 5861 §4)?
bool stands_in(const stored_head& head, const space::freshness_policy& policy, std::chrono::seconds ttl) noexcept;

/// Without the fields that the qualified forms of no-cache and private keep from us.
void remove_withheld(stored_head& head);

} // namespace forebay::cache::messages
