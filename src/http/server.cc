#include "http/server.h"

#include <algorithm>
#include <array>
#include <exception>

#include <fmt/format.h>

#include "base/log.h"
#include "http/answer_head.h"
#include "http/connection_input.h"
#include "http/failure_status.h"
#include "http/http2/connection.h"
#include "http/interim.h"
#include "http/parser.h"
#include "http/recaller.h"
#include "http/refusals.h"

namespace forebay::http {
namespace {

/// How often an idle connection looks whether the node drains. Short enough for a shutdown, long enough that
/// thousands of idle connections cost nothing.
constexpr std::chrono::milliseconds drain_poll{500};
/// How much of a body nobody read is thrown away to keep its connection. The kernel takes at least this much from a
/// client that writes before it reads (tcp_rmem's default is 128 KiB), so the answer meets no deadlock.
constexpr std::size_t unread_body_bytes = 64 * 1024;
/// How much is asked of a body at a time.
constexpr std::size_t body_step_bytes = 1024 * 1024;
/// After so many bytes, or answers, others on the loop get their turn.
constexpr std::size_t turn_bytes = 4 * 1024 * 1024;
constexpr unsigned turn_answers = 32;

/// One connection with the exchange in progress. Lives in the frame of `serve_connection`; loop thread only.
class session final : private net::idle_taker {
public:
  session(std::unique_ptr<net::stream> connection, std::shared_ptr<handler> front,
          std::shared_ptr<const server_limits> limits, std::shared_ptr<std::atomic<bool>> draining)
      : stream_(std::move(connection)),
        front_(std::move(front)),
        limits_(std::move(limits)),
        draining_(std::move(draining)),
        input_(*stream_),
        parser_(*limits_),
        recaller_(*front_),
        may_be_http2_(limits_->http2.streams > 0 && stream_->tls() == nullptr),
        interim_(std::make_shared<interim_sender>(*stream_, limits_->send_stall)) {
    request_.send_interim = interim_sender::function_of(interim_);
  }
  ~session() {
    if (incoming_) incoming_->detach();
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  net::task<void> run();

private:
  enum class arrival { request, refused, ended, broken, http2 };
  /// How an exchange left the connection.
  enum class fate { keep, close, broken };

  net::task<arrival> await_head();
  net::task<arrival> idle();
  bool take(std::size_t count) noexcept override;
  void recall() noexcept;
  net::task<bool> send_recalled();
  net::task<void> go_on_as_http2();
  void begin_exchange();
  net::task<fate> exchange();
  net::task<fate> refuse();
  net::task<void> ask_front();
  void refuse_faulty_body();
  net::task<void> pull_first();
  net::task<bool> send_answer();
  net::task<bool> send_body();
  net::task<bool> send_last_chunk();
  net::task<bool> send_pieces(std::size_t count);
  net::task<void> take_turn(std::size_t sent);
  net::task<bool> pass_body();
  void frame();
  bool body_can_be_passed() const noexcept;
  void end_exchange(bool complete);
  bool draining() const noexcept { return draining_ && draining_->load(std::memory_order_relaxed); }
  bool break_off(std::string_view defect) const;

  std::unique_ptr<net::stream> stream_;
  std::shared_ptr<handler> front_;
  std::shared_ptr<const server_limits> limits_;
  std::shared_ptr<std::atomic<bool>> draining_;
  connection_input input_;
  request_parser parser_;
  recaller recaller_;
  steady_time idle_since_{};
  bool for_parser_ = false;   ///< what is ready is not recalled
  unsigned unsettled_ = 0;    ///< answers recalled since others had their turn, or with something owed
  std::string_view raw_head_; ///< of the request at hand, in the input; empty where it came in parts
  bool may_be_http2_;         ///< nothing has come yet that says otherwise
  bool spoke_http1_ = false;
  error refusal_; ///< with arrival::refused
  unsigned refusal_status_ = 400;

  request request_;
  std::shared_ptr<incoming_body> incoming_; ///< null: the request has no body
  std::shared_ptr<interim_sender> interim_;
  response answer_;
  answer_framing framing_;
  net::slice step_; ///< the body's next bytes
  std::string head_text_, separator_;
  std::array<net::slice, 5> pieces_;
  std::uint64_t sent_bytes_ = 0;
  steady_time started_, first_byte_;
  std::size_t turn_sent_ = 0;
  unsigned turn_answered_ = 0;
};

net::task<void> session::run() {
  for (;;) {
    const arrival came = co_await await_head();
    if (came == arrival::http2) {
      co_await go_on_as_http2();
      co_return;
    }
    fate left = fate::close;
    if (came == arrival::request) {
      left = co_await exchange();
    } else if (came == arrival::refused) {
      left = co_await refuse();
    }
    if (came == arrival::broken) left = fate::broken;
    if (left == fate::keep) continue;
    if (left == fate::broken) {
      stream_->abort();
    } else {
      stream_->close();
    }
    co_return;
  }
}

/// Answers what is ready as far as the front recalls it, without the parser.
void session::recall() noexcept {
  for_parser_ = true;
  if (draining()) return; // the answer has to say so
  const auto ready = input_.ready();
  const std::size_t used = recaller_.answer({reinterpret_cast<const char*>(ready.data()), ready.size()}, *stream_);
  if (used == 0) return;
  for_parser_ = false;
  input_.consume(used);
  unsettled_ += static_cast<unsigned>(recaller_.answered());
  may_be_http2_ = false;
  spoke_http1_ = true;
  idle_since_ = std::chrono::steady_clock::now();
}

/// Bytes on the idle connection: most are requests that came before, and need no coroutine.
bool session::take(std::size_t count) noexcept {
  input_.came(count);
  recall();
  if (!input_.ready().empty() || recaller_.owes()) {
    input_.keep();
    return false;
  }
  unsettled_ = 0;
  return true;
}

/// Sends what the recalled answers still owe, and lets others run. False: the connection broke.
net::task<bool> session::send_recalled() {
  if (recaller_.owes()) {
    const bool sent = co_await recaller_.send_rest(*stream_, limits_->send_stall);
    if (!sent) co_return false;
    co_await take_turn(recaller_.sent_bytes());
  }
  turn_answered_ += std::exchange(unsettled_, 0u);
  if (turn_answered_ < turn_answers) co_return true;
  turn_answered_ = 0;
  co_await net::yield();
  co_return true;
}

/// Until the beginning of a request has come that is not recalled.
net::task<session::arrival> session::idle() {
  idle_since_ = std::chrono::steady_clock::now();
  for_parser_ = false;
  for (;;) {
    if (!input_.ready().empty() && !recaller_.owes() && !for_parser_) recall();
    if (unsettled_ > 0) {
      const bool sent = co_await send_recalled();
      if (!sent) co_return arrival::broken;
      continue;
    }
    if (!input_.ready().empty()) co_return arrival::request;
    const net::deadline idle_until{idle_since_ + limits_->idle_timeout};
    const auto got = co_await input_.fill_idle(idle_until.within(drain_poll), *this);
    if (got && *got > 0) continue;
    const bool timed_out = !got && got.error().kind == error_kind::timeout;
    if (!timed_out) co_return arrival::ended; // gone between requests
    recaller_.trim();
    input_.trim();
    const bool idle = idle_until.passed();
    if (idle) count_idle();
    if (idle || draining()) co_return arrival::ended;
  }
}

net::task<session::arrival> session::await_head() {
  parser_.reset();
  const arrival begun = co_await idle();
  if (begun != arrival::request) co_return begun;
  const auto head_until = net::deadline::after(limits_->header_timeout);
  for (bool first = true;; first = false) {
    if (input_.ready().empty()) {
      const auto got = co_await input_.fill(head_until);
      if (got && *got > 0) continue;
      if (got || got.error().kind != error_kind::timeout) co_return arrival::ended; // gone in the middle of a head
      refusal_ = {error_kind::timeout, "request", "its head did not arrive in time"};
      refusal_status_ = 408;
      co_return arrival::refused;
    }
    if (may_be_http2_) {
      const preface_match match = match_http2_preface(input_.ready());
      if (match == preface_match::whole) co_return arrival::http2;
      if (match == preface_match::so_far) {
        const auto more = co_await input_.extend(head_until);
        if (!more || *more == 0) co_return arrival::ended;
        continue;
      }
      may_be_http2_ = false;
    }
    const auto ready = input_.ready();
    auto taken = parser_.feed(ready);
    if (!taken) {
      refusal_ = std::move(taken.error());
      refusal_status_ = parser_.status();
      // A client that meant HTTP/2 and does not know it is not answered in HTTP/1.1 (RFC 9113 §3.4, RFC 9112 §2.2).
      const bool meant_http2 = !spoke_http1_ && limits_->http2.streams > 0 && parser_.is_foreign();
      co_return meant_http2 ? arrival::ended : arrival::refused;
    }
    input_.consume(*taken);
    if (!parser_.head_complete()) continue;
    spoke_http1_ = true;
    raw_head_ = {};
    if (first) raw_head_ = {reinterpret_cast<const char*>(ready.data()), *taken};
    co_return arrival::request;
  }
}

/// What has come is the client's preface (RFC 9113 §3.4) or its beginning.
net::task<void> session::go_on_as_http2() {
  const auto came = input_.ready();
  std::string early(reinterpret_cast<const char*>(came.data()), came.size());
  co_await serve_http2(std::move(stream_), std::move(early), front_, limits_, draining_);
}

/// Makes `request_` of what the parser holds.
void session::begin_exchange() {
  started_ = first_byte_ = std::chrono::steady_clock::now();
  sent_bytes_ = 0;
  std::swap(request_.head, parser_.head()); // the parser clears the old one, and its memory goes round
  request_.peer = stream_->peer();
  request_.local = stream_->local();
  request_.connection = stream_.get();
  request_.tls = stream_->tls() != nullptr;
  request_.raw_head = std::exchange(raw_head_, {});
  interim_->begin(request_.head.version >= 11);
  choose_request_id(request_.id, request_.head.fields.get("x-request-id"));
}

net::task<session::fate> session::exchange() {
  begin_exchange();
  const body_framing framing = parser_.framing();
  if (framing.chunked || framing.length_bytes > 0) {
    request_.raw_head = {}; // the body takes its place
    incoming_ = std::make_shared<incoming_body>(input_, framing, parser_.expects_continue(), limits_);
    request_.body = std::make_unique<request_body>(incoming_);
  }
  co_await ask_front();
  co_await pull_first();
  bool complete = interim_->close();
  if (!complete) complete = co_await interim_sender::settled(interim_);
  if (complete) complete = co_await send_answer();
  end_exchange(complete);
  bool goes_on = complete && !framing_.close;
  if (goes_on) goes_on = co_await pass_body();
  if (incoming_) incoming_->detach();
  incoming_.reset();
  if (!complete) co_return fate::broken;
  if (!goes_on) co_return fate::close;
  if (++turn_answered_ >= turn_answers) {
    turn_answered_ = 0;
    co_await net::yield();
  }
  co_return fate::keep;
}

net::task<session::fate> session::refuse() {
  begin_exchange();
  count_refusal(refusal_status_, parser_.too_many_fields());
  answer_ = front_->refuse(refusal_, refusal_status_);
  answer_.close = true;
  co_await pull_first();
  const bool complete = co_await send_answer();
  end_exchange(complete);
  co_return complete ? fate::close : fate::broken;
}

net::task<void> session::ask_front() {
  std::string thrown;
  try {
    response made = co_await front_->handle(request_);
    answer_ = std::move(made);
    refuse_faulty_body();
    co_return;
  } catch (const std::exception& what) {
    thrown = what.what();
  }
  log::error("http", "request {}: an exception left its handler: {}", request_.id, thrown);
  answer_ = front_->refuse({error_kind::internal, "handler", "it failed unexpectedly"}, 500);
  answer_.close = true;
}

/// Whatever the handler made of a body that came too slowly, too long or malformed: it was the client's fault.
void session::refuse_faulty_body() {
  if (!incoming_ || incoming_->fault_status() == 0 || answer_.head.status < 400) return;
  const unsigned status = incoming_->fault_status();
  answer_ = front_->refuse(refuse_body(status), status);
  answer_.close = true;
}

/// Decides how the answer in hand is sent.
void session::frame() {
  // Who asks for a tunnel may have sent its bytes already: they are no requests.
  const bool tunnel = request_.head.method == "CONNECT";
  const bool keep = parser_.head_complete() && parser_.keep_alive() && !draining() && body_can_be_passed() && !tunnel;
  framing_ = frame_answer(answer_, request_.head.method, request_.head.version, keep);
}

/// False when what nobody has read of the request's body is too long to throw away, or may never come.
bool session::body_can_be_passed() const noexcept {
  if (!incoming_ || incoming_->ended()) return true;
  return !incoming_->failed() && !incoming_->continue_awaited() && !incoming_->exceeds(unread_body_bytes);
}

/// Gets the first bytes of the body before the head leaves: a failure here can still be told in words.
net::task<void> session::pull_first() {
  step_ = {};
  frame();
  if (!framing_.sends_body) co_return;
  auto first = co_await answer_.body->next(body_step_bytes);
  if (first) {
    step_ = std::move(*first);
    co_return;
  }
  const error why = std::move(first.error());
  answer_ = front_->refuse(why, failure_status(why.kind));
  answer_.close = true;
  frame();
  if (!framing_.sends_body) co_return;
  auto excuse = co_await answer_.body->next(body_step_bytes);
  if (excuse) step_ = std::move(*excuse); // else the length tells: the answer is broken off
}

/// Head, shared fields and the first bytes of the body in one send, then the rest. False: broken off.
net::task<bool> session::send_answer() {
  const bool fits = !framing_.content_length || step_.length_bytes() <= *framing_.content_length;
  if (!fits) co_return break_off("its body is longer than it said");
  head_text_.clear();
  render_answer_head(head_text_, answer_, framing_, request_.id);
  separator_ = "\r\n";
  const bool chunk = framing_.chunked && !step_.empty();
  if (chunk) fmt::format_to(std::back_inserter(separator_), "{:x}\r\n", step_.length_bytes());
  pieces_[0] = net::borrow(head_text_);
  pieces_[1] = answer_.shared_fields ? net::borrow(*answer_.shared_fields) : net::slice{};
  pieces_[2] = net::borrow(separator_);
  pieces_[3] = step_;
  pieces_[4] = chunk ? net::borrow("\r\n") : net::slice{};
  first_byte_ = std::chrono::steady_clock::now();
  const bool sent = co_await send_pieces(pieces_.size());
  if (!sent) co_return false;
  sent_bytes_ += step_.length_bytes();
  if (!framing_.sends_body) {
    const bool owed = framing_.content_length.value_or(0) > 0 && request_.head.method != "HEAD";
    if (owed) co_return break_off("it has a length but no body");
    co_return true;
  }
  const bool complete = co_await send_body();
  co_return complete;
}

/// The body behind its first bytes, up to its end.
net::task<bool> session::send_body() {
  const auto length = framing_.content_length;
  while (!step_.empty()) {
    step_ = {}; // its pin goes before the next is asked for
    const std::uint64_t left = length ? *length - sent_bytes_ : body_step_bytes;
    // With nothing left the body is asked once more: it must say that it ends here.
    const auto wanted = static_cast<std::size_t>(std::clamp<std::uint64_t>(left, 1, body_step_bytes));
    auto next = co_await answer_.body->next(wanted);
    if (!next) {
      log::info("http", "request {}: body broken off after {} bytes: {}", request_.id, sent_bytes_,
                next.error().message());
      co_return false;
    }
    step_ = std::move(*next);
    if (step_.empty()) break;
    const bool fits = !length || step_.length_bytes() <= left;
    if (!fits) co_return break_off("its body is longer than it said");
    std::size_t count = 0;
    if (framing_.chunked) {
      separator_.clear();
      fmt::format_to(std::back_inserter(separator_), "{:x}\r\n", step_.length_bytes());
      pieces_[count++] = net::borrow(separator_);
    }
    pieces_[count++] = step_;
    if (framing_.chunked) pieces_[count++] = net::borrow("\r\n");
    const bool sent = co_await send_pieces(count);
    if (!sent) co_return false;
    sent_bytes_ += step_.length_bytes();
    co_await take_turn(step_.length_bytes());
  }
  const bool whole = !length || sent_bytes_ == *length;
  if (!whole) co_return break_off("its body is shorter than it said");
  if (!framing_.chunked) co_return true;
  const bool ended = co_await send_last_chunk();
  co_return ended;
}

net::task<bool> session::send_last_chunk() {
  separator_ = "0\r\n";
  if (const header_table* trailers = answer_.body->trailers()) trailers->render_to(separator_);
  separator_ += "\r\n";
  pieces_[0] = net::borrow(separator_);
  const bool sent = co_await send_pieces(1);
  co_return sent;
}

/// Sends the first `count` of `pieces_` and lets go of them.
net::task<bool> session::send_pieces(std::size_t count) {
  const std::span<const net::slice> pieces(pieces_.data(), count);
  const auto sent = co_await stream_->send(pieces, false, limits_->send_stall);
  for (std::size_t i = 0; i < count; ++i) pieces_[i] = {};
  co_return sent.has_value();
}

net::task<void> session::take_turn(std::size_t sent) {
  turn_sent_ += sent;
  if (turn_sent_ < turn_bytes) co_return;
  turn_sent_ = 0;
  co_await net::yield();
}

/// Gets past what the handler left of the request's body; false when the connection cannot go on.
net::task<bool> session::pass_body() {
  if (!incoming_) co_return true;
  if (incoming_->failed()) co_return false;
  const bool passed = co_await incoming_->drain(unread_body_bytes);
  co_return passed;
}

/// Reports the exchange and lets go of everything that was the handler's.
void session::end_exchange(bool complete) {
  const auto now = std::chrono::steady_clock::now();
  const exchange_record record{&request_, answer_.head.status,    sent_bytes_,
                               complete,  first_byte_ - started_, now - started_};
  front_->finished(record, answer_);
  step_ = {};
  answer_ = {};
  request_.body.reset();
  request_.notes.reset();
}

/// A defect of a handler: the answer's reader must not take what came for the whole.
bool session::break_off(std::string_view defect) const {
  log::error("http", "request {} {} {}: answer broken off: {}", request_.id, request_.head.method,
             request_.head.target.substr(0, request_.head.target.find('?')), defect); // a query may hold a signature
  return false;
}

} // namespace

net::task<void> serve_connection(std::unique_ptr<net::stream> connection, std::shared_ptr<handler> front,
                                 std::shared_ptr<const server_limits> limits,
                                 std::shared_ptr<std::atomic<bool>> draining) {
  const net::tls_info* const tls = connection->tls();
  if (tls != nullptr && tls->protocol == "h2") {
    co_await serve_http2(std::move(connection), {}, std::move(front), std::move(limits), std::move(draining));
    co_return;
  }
  session all(std::move(connection), std::move(front), std::move(limits), std::move(draining));
  co_await all.run();
}

} // namespace forebay::http
