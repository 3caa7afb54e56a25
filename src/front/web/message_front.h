// Requests of namespaces whose answers are HTTP messages (`semantics = "http"`).
#pragma once

#include "base/result.h"
#include "cache/cache.h"
#include "front/notes.h"
#include "http/server.h"
#include "net/task.h"
#include "space/space.h"

namespace forebay::front {

/// The answer of the namespace's cache of messages: any method that it lets through, any status. The request's notes
/// say what the cache did.
net::task<result<http::response>> answer_message(cache::content_cache& cache, http::request& asked,
                                                 space::placement where);

/// Whether a method may reach the namespace's origin at all.
bool reaches_origin(std::string_view method, const space::name_space& space) noexcept;

/// Via, Cache-Status and X-Request-Id: all else is the origin's word.
void add_message_fields(http::response_head& answer, const http::request& asked, const std::string& cache_status);

} // namespace forebay::front
