// Which cache directives of a response are for us (RFC 9213). Pure.
#pragma once

#include "http/cache_control.h"
#include "http/headers.h"

namespace forebay::http {

/// The directives that a cache of ours obeys.
struct effective_control {
  cache_control directives;
  bool targeted = false; ///< from a field meant for us: Cache-Control and Expires say nothing then
};

/// The first of Forebay-Cache-Control and CDN-Cache-Control that is there and is a valid, non-empty dictionary of
/// structured fields; otherwise Cache-Control. A member of the wrong type is ignored, unless it only restricts.
effective_control effective_cache_control(const header_table& response);

/// The directives of a request: Cache-Control, or what Pragma says where there is none (RFC 9111 §5.4).
cache_control request_cache_control(const header_table& request);

} // namespace forebay::http
