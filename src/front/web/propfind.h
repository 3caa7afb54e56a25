// PROPFIND: what is at a path, and below it.
#pragma once

#include <string>

#include "cache/cache.h"
#include "front/notes.h"
#include "http/server.h"
#include "net/task.h"
#include "space/space.h"

namespace forebay::front {

/// Longest body of a PROPFIND that is read (and ignored: every answer carries the same properties).
inline constexpr std::size_t propfind_body_bytes_max = 64 * 1024;

/// The 207 of a path, or why there is none: not_found only where the origin has neither an object nor anything
/// below; what an origin cannot say is unsupported; a listing that is too long is `exhausted`. An object is asked
/// for through the cache, a listing through the listing cache. `path` is the request's, still encoded.
net::task<result<http::response>> answer_propfind(cache::content_cache& cache, http::request& asked,
                                                  space::placement where, std::string path);

/// The 207 of a path that no namespace claims: the namespaces below it as collections; not_found where there are
/// none. "/" is always there.
net::task<result<http::response>> answer_above_namespaces(http::request& asked, std::string path);

} // namespace forebay::front
