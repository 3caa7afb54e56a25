// The answer that a stored message is to a request. Internal to cache/.
#pragma once

#include <optional>
#include <vector>

#include "cache/messages/message_body.h"
#include "cache/messages/stored_message.h"
#include "http/message.h"
#include "http/range.h"

namespace forebay::cache::messages {

/// What of a request decides the shape of its answer.
struct asked_shape {
  bool head_only = false;
  const http::header_table* fields = nullptr;
  std::optional<std::vector<http::range_spec>> ranges; ///< of a GET, well spelt
  std::string boundary;                                ///< for several ranges
};

/// `held` as the answer: 304 where the reader's conditions say so, 206 or 416 where a range is wanted, else the whole,
/// with its Age. Nothing where bytes that the answer needs are not held.
std::optional<http::response> answer_from(const stored_message& held, const asked_shape& asked, reader_context with,
                                          wall_time wall, steady_time now);

/// `at` of the body that an exchange has just begun to bring, under the head that came: nothing is chosen or cut.
http::response answer_as_sent(unsigned status, http::header_table fields, const stored_message& brought, const part* at,
                              bool head_only, reader_context with);

} // namespace forebay::cache::messages
