// The head of an answer as bytes: status line, the handler's fields, and those that the connection owns.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"

namespace forebay::http {

/// How an answer is delimited and whether the connection goes on (RFC 9112 §6.3, §9.3).
struct answer_framing {
  bool sends_body = false; ///< false: HEAD, 204, 304, or nothing to send
  bool chunked = false;
  bool close = false;           ///< no request is answered after this one
  bool says_keep_alive = false; ///< an HTTP/1.0 client must be told
  std::optional<std::uint64_t> content_length;
};

/// Decides the framing of `answer` to a request of `method` and `version`.
answer_framing frame_answer(const response& answer, std::string_view method, unsigned version,
                            bool keep_alive) noexcept;

/// Fields that only the connection may write: a handler that copied them from an origin must not frame our message.
bool frames_messages(std::string_view name) noexcept;

/// Whether an answer has a field of that name, which is given with its colon.
bool answer_has(const response& answer, std::string_view name_and_colon) noexcept;

/// Appends the status line, the handler's own fields without those that frame, Date (unless the answer brings
/// one, RFC 9110 §6.6.1), X-Request-Id, and the framing. `shared_fields` and the empty line follow separately.
void render_answer_head(std::string& out, const response& answer, const answer_framing& framing,
                        std::string_view request_id);

/// The date of now, rendered once a second and thread. Valid until the next call on this thread.
std::string_view current_date();

/// A new id, unique in this process and practically so among all: 16 hexadecimal digits.
void make_request_id(std::span<char, 16> id) noexcept;

/// `offered` where it is 1 to 128 characters of [A-Za-z0-9._-] (so that it can stand in any log), else a new
/// id, unique in this process and practically so among all. Written into `id`, whose memory is used again.
void choose_request_id(std::string& id, std::optional<std::string_view> offered);

} // namespace forebay::http
