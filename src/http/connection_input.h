// The receiving side of a server connection: its buffer, and the request bodies read through it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "http/parser.h"
#include "http/patience.h"
#include "net/stream.h"

namespace forebay::http {

/// Bytes of a connection that came and are not used yet. Owner: the connection; loop thread only. An idle connection
/// reads into a place that all of its thread share, so that twenty thousand of them hold no buffers.
class connection_input {
public:
  /// One read from the socket: several pipelined heads, or a usual chunk of an upload.
  static constexpr std::size_t buffer_bytes = 16 * 1024;

  explicit connection_input(net::stream& from) : from_(from) {}

  std::span<const std::byte> ready() const noexcept { return ready_; }
  void consume(std::size_t count) noexcept { ready_ = ready_.subspan(count); }
  /// Reads more; how much, 0 when the peer ended its side. Everything that was ready must have been consumed.
  net::task<result<std::size_t>> fill(net::deadline until);
  /// Reads more behind what is ready, where there is room; as `fill`.
  net::task<result<std::size_t>> extend(net::deadline until);
  /// As `fill`, while nothing is awaited: `by` is asked to deal with what came, and must consume or `keep` it.
  net::task<result<std::size_t>> fill_idle(net::deadline until, net::idle_taker& by);
  /// For that taker: `count` bytes have come, and are ready until it returns.
  void came(std::size_t count) noexcept;
  /// For that taker: what is ready stays so.
  void keep();
  /// Gives memory back after a time without requests.
  void trim() noexcept;
  net::stream& from() noexcept { return from_; }

private:
  net::stream& from_;
  std::vector<std::byte> buffer_; ///< what was kept, or `buffer_bytes`
  std::span<const std::byte> ready_;
};

/// The body of the request in progress, shared by the connection (which must get past it) and the handler's
/// body_source (which may read it, or not, or only in part). Loop thread only. It outlives the connection where
/// the handler keeps its source, but then yields `cancelled`.
class incoming_body {
public:
  incoming_body(connection_input& input, body_framing framing, bool continue_awaited,
                std::shared_ptr<const server_limits> limits);

  /// As body_source::next. Before it first waits for bytes it sends the 100 that the client awaits. broken when
  /// the client ends too early, timeout when it stalls, invalid_input when its chunks are malformed or exceed
  /// `body_bytes`.
  net::task<result<net::slice>> next(std::size_t max_bytes);
  /// What to answer to a request whose body was at fault: 408, 413 or 400; 0 while it is not.
  unsigned fault_status() const noexcept { return fault_status_; }
  /// Throws the rest away; false when it fails, or does not end within `limit_bytes` and one `body_timeout` in all (a
  /// client must not hold a connection by one byte at a time of what nobody wants).
  net::task<bool> drain(std::size_t limit_bytes);
  /// The connection moves on: whoever still holds the body gets no byte of the next request.
  void detach() noexcept { input_ = nullptr; }

  bool ended() const noexcept { return ended_; }
  bool failed() const noexcept { return failed_; }
  /// The client waits for a 100 that was not sent: nobody can tell whether a body follows (RFC 9110 §10.1.1).
  bool continue_awaited() const noexcept { return continue_awaited_; }
  /// True when the rest is known to be more than `limit_bytes`.
  bool exceeds(std::size_t limit_bytes) const noexcept { return !framing_.chunked && left_ > limit_bytes; }
  const header_table* trailers() const noexcept;

private:
  net::task<result<std::span<const std::byte>>> next_run(std::size_t max_bytes, std::optional<net::deadline> whole);
  net::task<result<void>> await_bytes(std::optional<net::deadline> whole);
  result<std::span<const std::byte>> take_ready(std::size_t max_bytes);
  tl::unexpected<error> failure(error why, unsigned status = 0);

  connection_input* input_;
  body_framing framing_;
  chunk_decoder decoder_;
  std::shared_ptr<const server_limits> limits_;
  std::uint64_t left_;      ///< with a length: bytes still to come
  std::uint64_t taken_ = 0; ///< chunked: bytes that came
  bool continue_awaited_, ended_, failed_ = false;
  unsigned fault_status_ = 0;
  patience patience_;
};

/// What a handler gets as `request::body`.
class request_body final : public body_source {
public:
  explicit request_body(std::shared_ptr<incoming_body> from) : from_(std::move(from)) {}
  net::task<result<net::slice>> next(std::size_t max_bytes) override { return from_->next(max_bytes); }
  const header_table* trailers() const noexcept override { return from_->trailers(); }

private:
  std::shared_ptr<incoming_body> from_;
};

} // namespace forebay::http
