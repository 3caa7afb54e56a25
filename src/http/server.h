// HTTP/1.1 server connections (RFC 9112).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "http/message.h"
#include "http/recall.h"
#include "net/stream.h"

namespace forebay::http {

/// Limits of an HTTP/2 connection; each has a setting `http2.*`.
struct http2_limits {
  unsigned streams = 128;                   ///< requests at a time; 0: HTTP/2 is not spoken
  std::uint64_t window_bytes = 256 * 1024;  ///< of a request's body that may come before somebody reads it
  unsigned resets_per_second = 100;         ///< RST_STREAM of the client; four seconds' worth at once
  unsigned control_frames_per_second = 500; ///< PING, SETTINGS, WINDOW_UPDATE, empty DATA and the like; likewise
  std::uint64_t slow_reader_bytes = 1024;   ///< least that the reader of a stream takes within `send_stall`
};

/// Limits of a connection; each has a setting `limits.*` of the same name.
struct server_limits {
  std::size_t header_bytes = 32 * 1024; ///< all of a request's head; beyond: 431 (or 414 for the target)
  std::size_t target_bytes = 8 * 1024;
  std::size_t header_fields = 128;
  std::uint64_t body_bytes = 64ull << 30;           ///< of a request
  std::chrono::milliseconds header_timeout{10'000}; ///< first byte of a request to its head's end
  std::chrono::milliseconds idle_timeout{75'000};   ///< between requests
  std::chrono::milliseconds body_timeout{30'000};   ///< without a byte of the request's body
  std::uint64_t slow_sender_bytes = 4 * 1024;       ///< least of a request's body within each `body_timeout`
  std::chrono::milliseconds send_stall{60'000};     ///< without a byte accepted by the reader
  http2_limits http2;
};

/// One request with what a handler may ask about its connection. Lives until the answer has been sent.
struct request {
  request_head head;
  std::unique_ptr<body_source> body; ///< null: no body. Unread rest is drained or the connection closed.
  net::endpoint peer;
  net::endpoint local;
  std::string id; ///< X-Request-Id: the client's where it is sane, else ours
  bool tls = false;
  std::string_view raw_head{}; ///< as it came, with its empty line, until `finished`; empty where it did not come whole
  net::stream* connection = nullptr; ///< to ask whether the reader is still there
  /// Sends an interim answer (102, 103) ahead of the final one; empty where the client's protocol has none. While
  /// `handle` runs, on its loop.
  std::function<void(const response_head&)> send_interim{};
  std::shared_ptr<void> notes; ///< the handler's own, from `handle` to `finished`; outlives the answer's body
};

/// What came of a request, for logs and metrics: called after the last byte was sent or the connection broke.
struct exchange_record {
  const request* asked;
  unsigned status;
  std::uint64_t sent_bytes; ///< of the body
  bool complete;            ///< false: broken off
  std::chrono::nanoseconds first_byte, total;
};

/// A front: turns a request into a response. One object for all loops, so it must be thread-safe.
class handler {
public:
  virtual ~handler() = default;
  /// `asked` and its body are good until `finished`; the body of the answer may still read them.
  virtual net::task<response> handle(request& asked) = 0;
  /// Called on the loop after each exchange, refused ones too; default does nothing. `answer` is what was sent
  /// (its body is spent).
  virtual void finished(const exchange_record&, const response&) noexcept {}
  /// Gives at once the answer to a GET with this raw head (whole, HTTP/1.1, no body follows), if it is the one that
  /// `handle` would give now; false: ask that. For heads that `request::raw_head` showed before. On the loop of `to`.
  virtual bool recall([[maybe_unused]] std::string_view raw_head, [[maybe_unused]] net::stream& to,
                      [[maybe_unused]] recalled& into) noexcept {
    return false;
  }
  /// The same for a request that `recall` might answer and that shall be refused: `why`, with `status`, in few
  /// instructions. False: ask `handle`.
  virtual bool recall_refusal([[maybe_unused]] std::string_view raw_head, [[maybe_unused]] const error& why,
                              [[maybe_unused]] unsigned status, [[maybe_unused]] recalled& into) noexcept {
    return false;
  }
  /// A recalled answer of which a part has left could not be sent at once: it holds memory for a slow reader.
  virtual void recall_waits(recalled&, const net::stream&) noexcept {}
  /// What `finished` is for others. `sent_bytes` of the body were handed to the connection.
  virtual void recall_ended([[maybe_unused]] const recalled& answer, [[maybe_unused]] const net::stream& to,
                            [[maybe_unused]] std::uint64_t sent_bytes, [[maybe_unused]] bool complete,
                            [[maybe_unused]] std::chrono::nanoseconds total) noexcept {}
  /// The answer to a request that could not be parsed or breaks a limit, or instead of an answer whose body failed
  /// before its first byte. The connection ends after it.
  virtual response refuse(const error& why, unsigned status) = 0;
};

/// Serves one connection until it ends, by HTTP/2 where TLS agreed on it or the client begins with it. HTTP/1.1 with
/// keep-alive, pipelining, Expect: 100-continue, chunked bodies both ways, HEAD. When `draining` (null: never) is set
/// the next answer carries Connection: close, and an idle connection ends within half a second. A body that fails
/// after its first byte, or is not as long as `length_bytes` says, is broken off visibly, never short and clean.
net::task<void> serve_connection(std::unique_ptr<net::stream> connection, std::shared_ptr<handler> front,
                                 std::shared_ptr<const server_limits> limits,
                                 std::shared_ptr<std::atomic<bool>> draining);

} // namespace forebay::http
