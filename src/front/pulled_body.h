// The body of an origin's answer, passed on as it comes.
#pragma once

#include <memory>

#include "http/client.h"
#include "http/message.h"

namespace forebay::front {

/// The answer of a store as our own: end-to-end fields, its length where it gave one. Nothing is kept.
http::response make_pulled_response(http::response_head head, std::unique_ptr<http::client_body> body);

} // namespace forebay::front
