// One request of an HTTP/2 connection, with its answer.
#pragma once

#include <memory>
#include <string>

#include "http/http2/fields.h"
#include "http/interim.h"
#include "http/patience.h"
#include "http/server.h"

namespace forebay::http {

class http2_connection;

/// The bytes of a request's body that came and are not read yet. Shared by the exchange and the handler's body_source,
/// which may outlive it; then it yields `cancelled`.
class http2_upload {
public:
  http2_upload(http2_connection& on, std::int32_t stream, bool continue_awaited);

  /// As body_source::next; slow senders are waited for as by HTTP/1.1.
  net::task<result<net::slice>> next(std::size_t max_bytes);
  /// What to answer to a request whose body was at fault: 408 or 413; 0 while it is not.
  unsigned fault_status() const noexcept { return fault_status_; }
  void came(std::string_view bytes);
  void ended();
  /// The stream is over: nobody reads on.
  void detach() noexcept;
  /// Throws the rest away, as far as it is little and comes soon.
  net::task<void> discard();
  /// Bytes that nobody has read.
  std::size_t unread_bytes() const noexcept { return bytes_.size() - taken_; }
  bool complete() const noexcept { return ended_; }

  header_table trailers;

private:
  net::task<result<void>> await_bytes();

  http2_connection* on_;
  std::int32_t stream_;
  std::string bytes_;
  std::size_t taken_ = 0; ///< of `bytes_`
  std::uint64_t total_ = 0;
  unsigned fault_status_ = 0;
  bool continue_awaited_, ended_ = false, unwanted_ = false;
  patience patience_;
  net::event changed_;
};

/// Lives until its coroutine has ended, which the connection waits for. Loop thread only.
class http2_exchange final : public std::enable_shared_from_this<http2_exchange> {
public:
  http2_exchange(http2_connection& on, std::int32_t stream);

  // What nghttp2's callbacks bring.
  http2_head head;
  void begin(bool has_body); ///< the head is complete: the handler is asked
  void take_body(std::string_view bytes);
  void take_trailer(std::string_view name, std::string_view value);
  void end_of_request();
  void peer_ended() noexcept; ///< no more of the request will come
  void closed() noexcept;     ///< the stream is over, orderly or not
  bool begun() const noexcept { return begun_; }
  /// Answers a complete head without a body at once, without a coroutine, if the handler recalls the answer.
  bool recall();
  /// What was recalled did not leave at once.
  void recalled_waits() noexcept;
  bool has_coroutine() const noexcept { return has_coroutine_; }
  steady_time started() const noexcept { return started_; }
  /// Of the request's body: what nobody will read any more.
  std::size_t unread_bytes() const noexcept { return upload_ != nullptr ? upload_->unread_bytes() : 0; }

  /// At most `room` bytes of the answer's body that can be sent now; 0 with `at_end` when it ends here, 0 without when
  /// the next bytes must be waited for.
  std::size_t offer(std::size_t room, bool& at_end) noexcept;
  /// The next `length` bytes of what was offered.
  net::slice take(std::size_t length);
  bool offered(std::size_t length) const noexcept { return length <= step_.length_bytes(); }
  void end_sent() noexcept;
  const header_table* answer_trailers() const noexcept;

  /// An answer waits for its reader, who took less than `least` bytes since the last look.
  bool stuck(std::uint64_t least) noexcept;

private:
  static net::task<void> run(std::shared_ptr<http2_exchange> self);
  void pass_interim(const response_head& interim);
  net::task<void> answer();
  net::task<void> ask_front();
  void refuse_faulty_body();
  net::task<bool> pull_first();
  net::task<bool> pull_next();
  net::task<bool> settle_end();
  net::task<void> send_body();
  void frame();
  void refuse(error why, unsigned status);
  void report();

  void end_recalled() noexcept;

  class view;
  http2_connection& on_;
  std::int32_t stream_;
  std::unique_ptr<net::stream> view_; ///< what the handler takes for its connection
  std::shared_ptr<http2_upload> upload_;
  request request_;
  response answer_;
  answer_framing framing_;
  http2_head::refusal refusal_;
  std::string_view raw_head_; ///< in `head`; empty where it is none that might be recalled
  net::slice step_;                    ///< the body's next bytes
  std::unique_ptr<recalled> recalled_; ///< null: the handler is asked, or the stream is over
  std::size_t next_piece_ = 0;         ///< of `recalled_`, behind `step_`
  std::uint64_t pulled_bytes_ = 0, sent_bytes_ = 0, seen_bytes_ = 0;
  interim_allowance interims_;
  bool begun_ = false, answered_ = false, closed_ = false, body_ended_ = false, end_sent_ = false, wanting_ = false;
  bool has_coroutine_ = false;
  net::event changed_; ///< step_ was taken, or the stream is over
  steady_time started_, first_byte_;
};

} // namespace forebay::http
