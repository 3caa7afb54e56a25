// HTTP/1.1 request heads from foreign bytes (RFC 9112), strict.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "http/message.h"
#include "http/server.h"

namespace forebay::http {

/// How a request's body is delimited.
struct body_framing {
  bool chunked = false;
  std::uint64_t length_bytes = 0;
};

/// Parses requests of one connection, one after the other. Refuses what smuggles or confuses: Content-Length
/// with Transfer-Encoding, repeated or signed lengths, bare CR or LF, obs-fold, space before the colon, a missing,
/// doubled or malformed Host, an absolute-form target whose authority differs from Host, fragments, codings
/// other than chunked, HTTP/1.0 with Transfer-Encoding, control characters and NUL. Not thread-safe.
class request_parser {
public:
  explicit request_parser(const server_limits& limits);
  ~request_parser();

  /// Feeds bytes; how many were taken. Stops after the head. An error's kind is invalid_input; `status()` then
  /// tells the code (400, 413, 414, 417, 431, 501, 505), and the connection can only be closed.
  result<std::size_t> feed(std::span<const std::byte> bytes);
  bool head_complete() const noexcept;
  const request_head& head() const noexcept;
  request_head& head() noexcept; ///< may be swapped out and back, so that its memory is used again
  body_framing framing() const noexcept;
  bool keep_alive() const noexcept;       ///< RFC 9112 §9.3
  bool expects_continue() const noexcept; ///< RFC 9110 §10.1.1
  unsigned status() const noexcept;
  /// A refusal with 431 is for the count of the fields, not for their size.
  bool too_many_fields() const noexcept;
  /// What was refused is the first line of another protocol: three words, neither a target nor a version among them.
  bool is_foreign() const noexcept;
  /// Ready for the next request; keeps buffers.
  void reset();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Decodes a chunked body (RFC 9112 §7.1): strict sizes, extensions skipped within a limit, trailers kept apart
/// from the head's fields (RFC 9110 §6.5.1). One per body; not thread-safe.
class chunk_decoder {
public:
  static constexpr std::size_t line_limit_bytes = 4096;     ///< of a chunk's size line, and of a trailer field
  static constexpr std::size_t trailer_limit_bytes = 16384; ///< of all trailer fields
  static constexpr std::size_t trailer_limit_fields = 64;

  struct step {
    std::size_t taken;               ///< bytes of the input that were used
    std::span<const std::byte> data; ///< part of the input that is body
    bool ended;                      ///< the last chunk and the trailers were read
  };
  /// Uses bytes up to the end of the next run of body bytes, of the body, or of the input. After an error or the
  /// end it must not be called again.
  result<step> feed(std::span<const std::byte> bytes);
  const header_table& trailers() const noexcept { return trailers_; }

private:
  enum class state { size, space, extension, size_lf, data, data_cr, data_lf, trailer_line, trailer_lf, done };
  result<void> take(char c);
  result<void> take_size(char c);
  result<void> end_trailer_line();

  state state_ = state::size;
  std::uint64_t left_ = 0;     ///< of the current chunk
  unsigned digits_ = 0;        ///< of its size, so far
  std::size_t line_bytes_ = 0; ///< of its size line, so far
  std::string line_;           ///< the current trailer field
  std::size_t trailer_bytes_ = 0;
  header_table trailers_;
};

} // namespace forebay::http
