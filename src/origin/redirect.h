// Redirects: where one leads, and whether it may be followed.
#pragma once

#include <string>

#include "base/result.h"
#include "http/message.h"

namespace forebay::origin {

/// True where the answer sends us elsewhere.
bool is_redirect(const http::response_head& head);

/// The URL of the next hop after `from`; broken where Location is missing or no http(s) URL, forbidden from https to
/// http. Errors name the host alone: a signed URL must not reach a log or a reader. `source` is the origin's name.
result<std::string> next_hop(const std::string& from, const http::response_head& head, const std::string& source);

} // namespace forebay::origin
