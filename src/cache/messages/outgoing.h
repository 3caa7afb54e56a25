// Requests to the origin of a namespace of messages. Pure.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/byte_range.h"
#include "cache/messages/stored_message.h"
#include "http/headers.h"

namespace forebay::cache::messages {

/// What is asked of the origin, and what of it was our own idea.
struct outgoing {
  http::header_table fields;
  bool validating = false; ///< our validators are in it: a 304 is about what we hold
  bool undressed = false;  ///< the reader's own conditions or range are not in it: they are left to us
  bool completing = false; ///< it asks for what a partial answer lacks
};

/// The end-to-end fields of a request, for its origin: without those that a client could use to be answered something
/// that no cache key tells (routes, method overrides), unless a trusted proxy wrote them. Via tells in which `version`
/// of HTTP it came (RFC 9110 §7.6.3).
http::header_table end_to_end(const http::header_table& request, bool from_trusted_proxy, unsigned version = 11);

/// One hop less in Max-Forwards (RFC 9110 §7.6.2), where it is a number above 0.
void count_forward(http::header_table& fields);

/// Leaves Range and If-Range out: the origin is asked for the whole, and what the reader gets of it is ours to say.
void keep_ranges(outgoing& made);

/// Whether the request has conditions that are for its origin alone (RFC 9111 §4.3.2).
bool has_origin_conditions(const http::header_table& request);

/// What a GET that `held` cannot answer asks. `variants`: all of its URI.
outgoing plan_get(http::header_table fields, const stored_message* held, bool held_is_fresh,
                  const std::vector<std::shared_ptr<const stored_message>>& variants);

} // namespace forebay::cache::messages
