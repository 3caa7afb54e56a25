// What a right to a path is worth in a namespace of messages, whose origin may read a request as one for other paths.
#pragma once

#include "base/result.h"
#include "http/server.h"
#include "space/space.h"

namespace forebay::front {

/// Whether the body of the request says what it is about (SEARCH, REPORT, QUERY): only a right to the whole namespace
/// lets it in.
bool is_message_scope(const http::request& asked, const space::name_space& space) noexcept;

/// In a namespace of messages that is not public: the failure of what would make the origin act elsewhere than at the
/// path that was judged, with the node's own credentials. Copies and moves (Destination, x-amz-copy-source), methods
/// that are not known, and pages of other sites that write.
result<void> check_private_message(const http::request& asked);

} // namespace forebay::front
