// Bodies of answers: pieces of stored parts, and what an origin sends. Internal to cache/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/messages/stored_message.h"
#include "cache/reader.h"
#include "http/client.h"

namespace forebay::cache::messages {

/// Text of our own (heads of a multipart) or a piece of a part.
struct segment {
  std::string text;
  std::optional<piece> bytes;
};

/// One segment after the other. `with` says for whom; its version, where it has one, is what the request's own exchange
/// brings.
/// `trailers`, where it has some by then, follow the last of them.
std::unique_ptr<http::body_source> make_joined_body(reader_context with, std::vector<segment> segments,
                                                    std::shared_ptr<const http::late_trailers> trailers = nullptr);

/// `from` as it is; what follows it is noted in `into` at its end.
std::unique_ptr<http::client_body> note_trailers(std::unique_ptr<http::client_body> from,
                                                 std::shared_ptr<http::late_trailers> into);

/// The origin's body as it comes. Counted in `report`, which may be null.
std::unique_ptr<http::body_source> make_passing_body(std::unique_ptr<http::client_body> from, lookup_report* report);

} // namespace forebay::cache::messages
