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
/// with Transfer-Encoding, differing or signed lengths, bare LF, obs-fold, space before the colon, a missing or doubled
/// Host, an absolute-form target whose authority differs from Host (the target wins only when equal), codings
/// other than chunked, HTTP/1.0 with Transfer-Encoding, control characters and NUL. Not thread-safe.
class request_parser {
public:
  explicit request_parser(const server_limits& limits);
  ~request_parser();

  /// Feeds bytes; how many were taken. Stops after the head. An error's kind is invalid_input; `status()` then
  /// tells the code (400, 414, 431, 501, 505).
  result<std::size_t> feed(std::span<const std::byte> bytes);
  bool head_complete() const noexcept;
  const request_head& head() const noexcept;
  request_head& head() noexcept;
  body_framing framing() const noexcept;
  bool keep_alive() const noexcept;        ///< RFC 9112 §9.3
  bool expects_continue() const noexcept;  ///< RFC 9110 §10.1.1
  unsigned status() const noexcept;
  /// Ready for the next request; keeps buffers.
  void reset();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Decodes a chunked body (RFC 9112 §7.1): strict sizes, extensions skipped within a limit, trailers kept.
class chunk_decoder {
public:
  struct step {
    std::size_t taken;                 ///< bytes of the input that were used
    std::span<const std::byte> data;   ///< part of the input that is body
    bool ended;                        ///< the last chunk and the trailers were read
  };
  result<step> feed(std::span<const std::byte> bytes);
  const header_table& trailers() const noexcept { return trailers_; }

private:
  enum class state { size, extension, size_lf, data, data_cr, data_lf, trailer_line, done };
  state state_ = state::size;
  std::uint64_t left_ = 0;
  unsigned digits_ = 0;
  std::size_t line_bytes_ = 0;
  std::string line_;
  bool line_cr_ = false;
  header_table trailers_;
};

} // namespace forebay::http
