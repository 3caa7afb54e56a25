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

/// A request whose head has come, with its answer, as nghttp2's callbacks know it: the body's next bytes, and what
/// became of them. Loop thread only.
class http2_exchange {
public:
  http2_exchange(http2_connection& on, std::int32_t stream, steady_time started) noexcept
      : on_(on), stream_(stream), started_(started) {}
  virtual ~http2_exchange() = default;
  http2_exchange(const http2_exchange&) = delete;
  http2_exchange& operator=(const http2_exchange&) = delete;

  // What comes behind the head.
  virtual void take_body(std::string_view) {}
  virtual void take_trailer(std::string_view, std::string_view) {}
  virtual void end_of_request() {}
  virtual void peer_ended() noexcept {} ///< no more of the request will come
  virtual void closed() noexcept = 0;   ///< the stream is over, orderly or not
  /// Of the request's body: what nobody will read any more.
  virtual std::size_t unread_bytes() const noexcept { return 0; }
  /// A coroutine of its own tells the connection of its end.
  virtual bool has_coroutine() const noexcept { return false; }

  /// At most `room` bytes of the answer's body that can be sent now; 0 with `at_end` when it ends here, 0 without when
  /// the next bytes must be waited for.
  std::size_t offer(std::size_t room, bool& at_end) noexcept;
  /// The next `length` bytes of what was offered.
  net::slice take(std::size_t length);
  bool offered(std::size_t length) const noexcept { return length <= step_.length_bytes(); }
  virtual void end_sent() noexcept { end_sent_ = true; }
  virtual const header_table* answer_trailers() const noexcept { return nullptr; }
  /// All that nghttp2 would take has been taken, and something is left. True: `is_slow` from now on.
  virtual bool waits() noexcept { return false; }
  /// It waits with bytes that were pinned on nobody's account.
  virtual bool is_slow() const noexcept { return false; }

  /// An answer waits for its reader, who took less than `least` bytes since the last look.
  bool stuck(std::uint64_t least) noexcept;

protected:
  void begin_anew() noexcept; ///< this object is another exchange from now on
  /// `step_` is spent, or was never there, and the body has not ended.
  virtual void want() noexcept = 0;

  http2_connection& on_;
  std::int32_t stream_;
  net::slice step_; ///< the body's next bytes
  std::uint64_t sent_bytes_ = 0;
  bool body_ended_ = false, closed_ = false, end_sent_ = false;
  steady_time started_;

private:
  std::uint64_t seen_bytes_ = 0; ///< of `sent_bytes_`, by `stuck`
};

/// One that the handler is asked about. Lives until its coroutine has ended, which the connection waits for.
class http2_handled final : public http2_exchange, public std::enable_shared_from_this<http2_handled> {
public:
  http2_handled(http2_connection& on, std::int32_t stream, steady_time started);
  void begin(http2_head& head, bool has_body);

  void take_body(std::string_view bytes) override;
  void take_trailer(std::string_view name, std::string_view value) override;
  void end_of_request() override;
  void peer_ended() noexcept override;
  void closed() noexcept override;
  std::size_t unread_bytes() const noexcept override { return upload_ != nullptr ? upload_->unread_bytes() : 0; }
  bool has_coroutine() const noexcept override { return true; }
  void end_sent() noexcept override;
  const header_table* answer_trailers() const noexcept override;

private:
  void want() noexcept override;
  static net::task<void> run(std::shared_ptr<http2_handled> self);
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

  class view;
  std::unique_ptr<net::stream> view_; ///< what the handler takes for its connection
  std::shared_ptr<http2_upload> upload_;
  std::string raw_head_; ///< empty where it is none that might be recalled
  request request_;
  response answer_;
  answer_framing framing_;
  http2_head::refusal refusal_;
  std::uint64_t pulled_bytes_ = 0;
  interim_allowance interims_;
  bool answered_ = false, wanting_ = false;
  net::event changed_; ///< step_ was taken, or the stream is over
  steady_time first_byte_;
};

/// One whose answer the handler recalls: there at once, out of memory that goes round, without a coroutine.
class http2_recalled final : public http2_exchange {
public:
  explicit http2_recalled(http2_connection& on) noexcept : http2_exchange(on, 0, {}) {}
  /// Answers a GET with this raw head on `stream`; false: it is for the handler.
  bool answer(std::string_view raw_head, std::int32_t stream, steady_time started);
  std::string& head() noexcept { return answer_.head; } ///< as HTTP/1.1 has it; until `closed`
  /// Of the body, pinned on nobody's account; a larger one is charged to its reader from the beginning.
  std::uint64_t uncharged_bytes() const noexcept { return answer_.charge == nullptr ? answer_.body_bytes : 0; }
  void closed() noexcept override;
  bool waits() noexcept override;
  bool is_slow() const noexcept override { return slow_; }

private:
  void want() noexcept override;

  recalled answer_;
  bool slow_ = false;
  std::size_t next_piece_ = 0; ///< of `answer_`, behind `step_`
};

} // namespace forebay::http
