// HTTP/2 on one connection (RFC 9113), by nghttp2.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "http/http2/exchange.h"
#include "http/http2/frame_scanner.h"
#include "http/http2/guard.h"

namespace forebay::http {

/// Whether a connection begins as HTTP/2 does (RFC 9113 §3.4).
enum class preface_match { no, so_far, whole };
preface_match match_http2_preface(std::span<const std::byte> begins_with) noexcept;

/// Serves one connection until it ends. `early` is what has been read of it. The handler is the one of HTTP/1.1.
net::task<void> serve_http2(std::unique_ptr<net::stream> connection, std::string early, std::shared_ptr<handler> front,
                            std::shared_ptr<const server_limits> limits, std::shared_ptr<std::atomic<bool>> draining);

/// A connection: one coroutine reads frames, one sends them, one for each request asks the handler. Lives in the frame
/// of serve_http2, which ends last. Loop thread only.
class http2_connection {
public:
  http2_connection(std::unique_ptr<net::stream> stream, std::shared_ptr<handler> front,
                   std::shared_ptr<const server_limits> limits, std::shared_ptr<std::atomic<bool>> draining);
  ~http2_connection();
  http2_connection(const http2_connection&) = delete;
  http2_connection& operator=(const http2_connection&) = delete;

  net::task<void> run(std::string early);

  // --- for exchanges
  net::stream& stream() noexcept { return *stream_; }
  handler& front() noexcept { return *front_; }
  bool peer_ended() const noexcept { return peer_ended_; } ///< the client says no more
  const server_limits& limits() const noexcept { return *limits_; }
  void consume(std::int32_t stream, std::size_t bytes);
  void interim(std::int32_t stream, const response_head& head);
  /// Hands the answer's head over; its body is asked for by `offer` and `take`, where there is one.
  void submit(http2_exchange& from, std::int32_t stream, const http2_answer_fields& fields, bool has_body);
  void resume(std::int32_t stream);
  void reset(std::int32_t stream, std::uint32_t code);
  void exchange_ended() noexcept;

  // --- for nghttp2's callbacks
  http2_exchange* find(std::int32_t stream) noexcept;
  /// The fields of a request come, those of no other in between (RFC 9113 §4.3). False: it is refused.
  bool begin_head(std::int32_t stream);
  bool add_field(std::string_view name, std::string_view value); ///< false: too many bytes of them
  void open_exchange(std::int32_t stream, bool has_body);        ///< they are all there
  void close_exchange(std::int32_t stream) noexcept;
  /// We have reset that stream: what the client sent before it knew is ignored.
  void forgive(std::int32_t stream);
  void append(std::span<const std::byte> control);
  void append(net::slice body);
  bool has_room() const noexcept;
  void body_sent() noexcept;

private:
  enum class pace { goes_on, over };
  bool start();
  pace feed(std::span<const std::byte> bytes);
  /// The error that a frame is whose head has come; NGHTTP2_NO_ERROR: none.
  std::uint32_t judge(const nghttp2_frame_hd& head);
  bool is_closed(std::int32_t stream) const;
  net::task<void> read_all(std::string early);
  net::task<void> finish_answers();
  static net::task<void> write_all(http2_connection* self);
  void make_pieces();
  void send_at_once();
  void drop_sent(std::size_t bytes);
  net::task<bool> write_pieces();
  bool recall(std::int32_t stream);
  void submit_fields(http2_exchange& from, std::int32_t stream, const http2_answer_fields& fields, bool has_body);
  void tell_waiting() noexcept;
  bool gather();
  pace look_around();
  bool head_overdue(steady_time now) const;
  void look_for_stuck();
  void drain();
  void give_up(std::uint32_t code);

  struct part {
    std::size_t from = 0, length = 0; ///< in `control_`, where `body` is empty
    net::slice body;
  };

  std::unique_ptr<net::stream> stream_;
  std::shared_ptr<handler> front_;
  std::shared_ptr<const server_limits> limits_;
  std::shared_ptr<std::atomic<bool>> draining_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::shared_ptr<http2_exchange>> exchanges_;
  std::int32_t heading_ = 0; ///< the stream whose head comes; 0: none
  steady_time heading_since_;
  http2_head head_;                                    ///< of `heading_`
  std::vector<std::shared_ptr<http2_recalled>> spare_; ///< whose answers have left
  std::vector<std::int32_t> recalled_now_;             ///< streams answered since the last round of sending
  std::uint64_t uncharged_bytes_ = 0;                  ///< of theirs
  unsigned waiting_ = 0;                               ///< of those before: slow ones
  http2_answer_fields recalled_fields_;
  unsigned running_ = 0; ///< coroutines of exchanges, also of streams that are closed
  bool writing_ = false, stopping_ = false, broken_ = false, peer_ended_ = false;
  unsigned drain_steps_ = 0;
  frame_scanner scanner_;
  std::int32_t highest_ = 0;        ///< of the streams that the client has begun
  std::set<std::int32_t> forgiven_; ///< streams that are over and whose frames are no mistake of the client
  allowance resets_, control_frames_;
  steady_time idle_since_, stuck_looked_;
  std::string control_;
  std::vector<part> out_;
  std::vector<net::slice> pieces_; ///< of `out_`, as far as they have not left
  bool sending_ = false;           ///< the writer is about it
  std::size_t sent_at_once_ = 0;   ///< since others on the loop had their turn
  std::size_t out_bytes_ = 0;
  std::uint64_t sent_bytes_ = 0; ///< so far
  net::event wake_, ended_;      ///< the writer's; something ended
};

} // namespace forebay::http
