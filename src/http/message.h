// Messages as the program passes them: heads, and bodies that are pulled.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/headers.h"
#include "net/slice.h"
#include "net/task.h"
#include "net/wait.h"

namespace forebay::http {

/// A request's head as it came. `target` is the raw request target (origin-form or absolute-form).
struct request_head {
  std::string method;
  std::string target;
  unsigned version = 11; ///< 10 or 11 (20 for HTTP/2)
  header_table fields;
};

struct response_head {
  unsigned status = 200;
  header_table fields;
  unsigned version = 11; ///< of an origin's answer, 10 or 11: in which it came
};

/// The standard reason phrase of a status code ("Not Found"), or "Unknown".
std::string_view reason_phrase(unsigned status) noexcept;

/// A body that is pulled slice by slice: the one who sends sets the pace. Loop thread only.
class body_source {
public:
  virtual ~body_source() = default;
  /// The next bytes, at most `max_bytes`, at least one; an empty slice at the end. After an error or the end
  /// it must not be called again. An error after the first byte means that the connection must be broken off.
  virtual net::task<result<net::slice>> next(std::size_t max_bytes) = 0;
  /// Trailer fields, known after the end; null when there are none.
  virtual const header_table* trailers() const noexcept { return nullptr; }
};

/// A whole small body.
std::unique_ptr<body_source> make_body(std::string text);
std::unique_ptr<body_source> make_body(net::slice whole);

/// What a handler answers. With `length_bytes` the body has exactly that many bytes (Content-Length);
/// without, it is chunked (or ends with the connection for HTTP/1.0). HEAD answers carry the length of the
/// GET and no body. The connection adds Date (unless there is one), X-Request-Id and what frames the message:
/// Content-Length, Transfer-Encoding and Connection in `head.fields` are dropped, in `shared_fields` they must not be.
struct response {
  response_head head;
  std::shared_ptr<const std::string> shared_fields; ///< "Name: value\r\n"... rendered once, sent by reference
  std::optional<std::uint64_t> length_bytes;
  std::unique_ptr<body_source> body; ///< null: no body
  bool close = false;                ///< end the connection after this answer
};

} // namespace forebay::http
