// What RFC 9111 lets a shared cache keep and use. Pure.
#pragma once

#include <chrono>
#include <string_view>

#include "cache/stored_head.h"
#include "space/space.h"

namespace forebay::cache::messages {

/// What an answer to `request` is to those who ask later (RFC 9111 §3, §3.5, §5.2). `directives` are the request's.
/// Errors that a client can provoke by what no cache key holds are kept where their origin says how long (400, 405,
/// 413, 414, 431), or never: 412, 416, and what failed under conditions that are for the origin.
enum class keeping {
  keep,
  leave, ///< it speaks of this request alone: what is stored stays as it is
  forget ///< whoever asks, it is not kept: what it replaces goes as well
};
keeping judge(const stored_head& head, const http::header_table& request, const http::cache_control& directives);
/// The same as "keep".
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

/// An error that says something of the request and nothing of the resource: a request that is malformed, too long or
/// oddly made gets it for what others read well, and a condition or a range that does not hold.
bool is_provoked(unsigned status) noexcept;

/// May it stand in for an origin that fails, `-ttl` after its end (RFC 5861 §4)? The request's own window counts first.
bool stands_in(const stored_head& head, const space::freshness_policy& policy, std::chrono::seconds ttl,
               const http::cache_control& directives) noexcept;

/// Without the fields that the qualified forms of no-cache and private keep from us.
void remove_withheld(stored_head& head);

} // namespace forebay::cache::messages
