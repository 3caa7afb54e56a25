#include "http/http2/exchange.h"

#include <algorithm>
#include <exception>

#include "base/log.h"
#include "http/failure_status.h"
#include "http/http2/connection.h"
#include "http/refusals.h"
#include "net/loop.h"

namespace forebay::http {
namespace {

/// How much is asked of an answer's body at a time: what one stream may keep pinned while its reader is away.
constexpr std::size_t body_step_bytes = 256 * 1024;
/// How much of a request's body that nobody wants is taken all the same.
constexpr std::size_t unread_body_bytes = 64 * 1024;
/// A wait that only its event ends: looked at again, so that no defect leaves it for ever.
constexpr std::chrono::minutes long_wait{10};

/// A request's body as its handler sees it.
class upload_body final : public body_source {
public:
  explicit upload_body(std::shared_ptr<http2_upload> from) : from_(std::move(from)) {}
  net::task<result<net::slice>> next(std::size_t max_bytes) override { return from_->next(max_bytes); }
  const header_table* trailers() const noexcept override {
    return from_->complete() && from_->trailers.size() > 0 ? &from_->trailers : nullptr;
  }

private:
  std::shared_ptr<http2_upload> from_;
};

} // namespace

/// What a handler may ask about its reader: a stream that was reset is a reader that has gone.
class http2_handled::view final : public net::stream {
public:
  explicit view(const http2_handled& of) : of_(of) {}
  net::task<result<std::size_t>> read_some(std::span<std::byte>, net::deadline) override {
    co_return fail(error_kind::internal, "http2", "a stream's frames are the connection's");
  }
  net::task<result<void>> send(std::span<const net::slice>, bool, std::chrono::milliseconds) override {
    co_return fail(error_kind::internal, "http2", "a stream's frames are the connection's");
  }
  void close() noexcept override {}
  void abort() noexcept override {}
  /// The connection's reader sees its end first: to look at the socket as well would take bytes away from it.
  bool peer_closed() noexcept override { return of_.closed_ || of_.on_.peer_ended(); }
  steady_time arrived() const noexcept override { return of_.on_.stream().arrived(); }
  const net::endpoint& peer() const noexcept override { return of_.on_.stream().peer(); }
  const net::endpoint& local() const noexcept override { return of_.on_.stream().local(); }
  const net::tls_info* tls() const noexcept override { return of_.on_.stream().tls(); }

private:
  const http2_handled& of_;
};

// --- the request's body

http2_upload::http2_upload(http2_connection& on, std::int32_t stream, bool continue_awaited)
    : on_(&on),
      stream_(stream),
      continue_awaited_(continue_awaited),
      patience_(on.limits().body_timeout, on.limits().slow_sender_bytes) {}

net::task<result<net::slice>> http2_upload::next(std::size_t max_bytes) {
  for (;;) {
    if (on_ == nullptr) co_return fail(error_kind::cancelled, "request body", "its exchange has ended");
    const server_limits& limits = on_->limits();
    if (total_ > limits.body_bytes) {
      fault_status_ = 413;
      co_return fail(error_kind::invalid_input, "request body", "it is larger than this node takes");
    }
    if (unread_bytes() > 0) {
      const std::size_t length = std::min(max_bytes, unread_bytes());
      net::slice piece = net::make_slice(bytes_.substr(taken_, length));
      taken_ += length;
      if (unread_bytes() == 0) {
        bytes_.clear();
        taken_ = 0;
      }
      on_->consume(stream_, length);
      co_return piece;
    }
    if (ended_) co_return net::slice{};
    if (std::exchange(continue_awaited_, false)) on_->interim(stream_, response_head{100, {}});
    auto came = co_await await_bytes();
    if (!came) co_return fail(std::move(came.error()));
  }
}

net::task<result<void>> http2_upload::await_bytes() {
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t before = total_;
  const bool more = co_await changed_.wait(net::deadline{patience_.ends(began)});
  if (!more) {
    if (!unwanted_) count_slow_body(patience_.moves());
    fault_status_ = 408;
    co_return fail(error_kind::timeout, "request body", "nothing came before the deadline");
  }
  patience_.brought(total_ - before, began, std::chrono::steady_clock::now());
  co_return result<void>{};
}

/// A client that is almost done ends its stream itself; some take a reset for a failure, whatever its code.
net::task<void> http2_upload::discard() {
  continue_awaited_ = false; // it has its answer
  unwanted_ = true;
  if (on_ == nullptr) co_return;
  const auto until = net::deadline::after(on_->limits().body_timeout);
  for (std::size_t thrown = 0; thrown < unread_body_bytes && !until.passed();) {
    const auto piece = co_await next(unread_body_bytes);
    if (!piece || piece->empty()) co_return;
    thrown += piece->length_bytes();
  }
}

void http2_upload::came(std::string_view bytes) {
  bytes_ += bytes;
  total_ += bytes.size();
  continue_awaited_ = false;
  changed_.notify();
}

void http2_upload::ended() {
  ended_ = true;
  changed_.notify();
}

void http2_upload::detach() noexcept {
  on_ = nullptr;
  changed_.notify();
}

// --- the exchange

std::size_t http2_exchange::offer(std::size_t room, bool& at_end) noexcept {
  const std::size_t length = std::min(room, step_.length_bytes());
  at_end = body_ended_ && length == step_.length_bytes();
  if (length > 0 || at_end) return length;
  want();
  return 0;
}

net::slice http2_exchange::take(std::size_t length) {
  net::slice piece = step_.part(0, length);
  step_ = step_.part(length, step_.length_bytes() - length);
  sent_bytes_ += length;
  if (step_.empty()) {
    step_ = {}; // its pin goes before the next is asked for
    if (!body_ended_) want();
  }
  return piece;
}

void http2_exchange::begin_anew() noexcept {
  step_ = {};
  sent_bytes_ = seen_bytes_ = 0;
  body_ended_ = closed_ = end_sent_ = false;
}

bool http2_exchange::stuck(std::uint64_t least) noexcept {
  const bool waits = !closed_ && !step_.empty();
  const bool slow = waits && sent_bytes_ - seen_bytes_ < least;
  seen_bytes_ = sent_bytes_;
  return slow;
}

// --- with a handler

http2_handled::http2_handled(http2_connection& on, std::int32_t stream, steady_time started)
    : http2_exchange(on, stream, started), view_(std::make_unique<view>(*this)), first_byte_(started) {}

void http2_handled::begin(http2_head& head, bool has_body) {
  if (!has_body) raw_head_ = head.raw();
  refusal_ = head.finish(request_.head, on_.limits());
  request_.peer = on_.stream().peer();
  request_.local = on_.stream().local();
  request_.connection = view_.get();
  request_.tls = on_.stream().tls() != nullptr;
  choose_request_id(request_.id, request_.head.fields.get("x-request-id"));
  request_.send_interim = [weak = weak_from_this()](const response_head& interim) {
    if (const auto alive = weak.lock()) alive->pass_interim(interim);
  };
  request_.raw_head = raw_head_;
  if (has_body) {
    upload_ = std::make_shared<http2_upload>(on_, stream_, head.expects_continue());
    request_.body = std::make_unique<upload_body>(upload_);
  }
  net::loop::current().spawn(run(shared_from_this()));
}

void http2_handled::pass_interim(const response_head& interim) {
  if (!closed_ && !answered_ && interims_.take(interim.status)) on_.interim(stream_, interim);
}

void http2_handled::take_body(std::string_view bytes) {
  if (upload_ != nullptr && !closed_) upload_->came(bytes);
}

void http2_handled::take_trailer(std::string_view name, std::string_view value) {
  const std::size_t room = on_.limits().header_fields;
  if (upload_ != nullptr && upload_->trailers.size() < room) upload_->trailers.add(name, value);
}

void http2_handled::end_of_request() {
  if (upload_ != nullptr) upload_->ended();
}

void http2_handled::peer_ended() noexcept {
  if (upload_ != nullptr && !upload_->complete()) upload_->detach();
}

void http2_handled::closed() noexcept {
  closed_ = true;
  if (upload_ != nullptr) upload_->detach();
  changed_.notify();
}

void http2_handled::end_sent() noexcept {
  end_sent_ = true;
  changed_.notify();
}

void http2_handled::want() noexcept {
  wanting_ = true;
  changed_.notify();
}

const header_table* http2_handled::answer_trailers() const noexcept {
  return answer_.body != nullptr && body_ended_ ? answer_.body->trailers() : nullptr;
}

net::task<void> http2_handled::run(std::shared_ptr<http2_handled> self) {
  co_await self->answer();
  self->report();
  self->on_.exchange_ended(); // the connection may be gone after this
}

net::task<void> http2_handled::answer() {
  if (refusal_.status != 0) {
    count_refusal(refusal_.status, refusal_.too_many_fields);
    refuse({error_kind::invalid_input, "request", refusal_.words}, refusal_.status);
  } else {
    co_await ask_front();
  }
  if (closed_) co_return;
  const bool fits = co_await pull_first();
  if (closed_) co_return;
  first_byte_ = std::chrono::steady_clock::now();
  const http2_answer_fields fields(answer_, framing_, request_.id);
  const bool owed = !framing_.sends_body && framing_.content_length.value_or(0) > 0 && request_.head.method != "HEAD";
  if (owed || !fits) {
    log::error("http", "request {}: answer broken off: its body is not as long as it said", request_.id);
    on_.reset(stream_, NGHTTP2_INTERNAL_ERROR);
    co_return;
  }
  answered_ = true;
  on_.submit(*this, stream_, fields, framing_.sends_body);
  if (framing_.sends_body) co_await send_body();
  while (!closed_ && !end_sent_) co_await changed_.wait(net::deadline::after(long_wait));
  if (!closed_ && upload_ != nullptr) co_await upload_->discard();
  // What the client still sends nobody reads (RFC 9113 §8.1).
  const bool unread = !closed_ && upload_ != nullptr && !upload_->complete();
  if (unread) on_.reset(stream_, NGHTTP2_NO_ERROR);
}

net::task<void> http2_handled::ask_front() {
  std::string thrown;
  try {
    response made = co_await on_.front().handle(request_);
    answer_ = std::move(made);
    refuse_faulty_body();
    co_return;
  } catch (const std::exception& what) {
    thrown = what.what();
  }
  log::error("http", "request {}: an exception left its handler: {}", request_.id, thrown);
  refuse({error_kind::internal, "handler", "it failed unexpectedly"}, 500);
}

/// Whatever the handler made of a body that came too slowly or too long: it was the client's fault.
void http2_handled::refuse_faulty_body() {
  const bool faulty = upload_ != nullptr && upload_->fault_status() != 0 && answer_.head.status >= 400;
  if (faulty) refuse(refuse_body(upload_->fault_status()), upload_->fault_status());
}

void http2_handled::refuse(error why, unsigned status) { answer_ = on_.front().refuse(why, status); }

void http2_handled::frame() { framing_ = frame_answer(answer_, request_.head.method, request_.head.version, true); }

/// Gets the first bytes of the body before the head leaves: a failure here can still be told in words.
net::task<bool> http2_handled::pull_first() {
  frame();
  if (!framing_.sends_body) co_return true;
  auto first = co_await answer_.body->next(body_step_bytes);
  if (!first) {
    refuse(first.error(), failure_status(first.error().kind));
    frame();
    if (!framing_.sends_body) co_return true;
    first = co_await answer_.body->next(body_step_bytes);
  }
  if (first) step_ = std::move(*first);
  pulled_bytes_ = step_.length_bytes();
  body_ended_ = step_.empty();
  const bool settled = co_await settle_end();
  co_return settled;
}

/// With its length reached the body is asked once more: it must say that it ends here. The last bytes and the end of
/// the stream are then one frame. False: it is not as long as it said.
net::task<bool> http2_handled::settle_end() {
  if (!framing_.content_length) co_return true;
  const std::uint64_t length = *framing_.content_length;
  if (pulled_bytes_ < length) co_return !body_ended_;
  if (pulled_bytes_ > length) co_return false;
  if (body_ended_) co_return true;
  const auto last = co_await answer_.body->next(1);
  body_ended_ = last && last->empty();
  co_return body_ended_;
}

/// The body behind its first bytes: the next are asked for once the reader has taken those before.
net::task<void> http2_handled::send_body() {
  while (!closed_ && !body_ended_) {
    while (!closed_ && !wanting_) co_await changed_.wait(net::deadline::after(long_wait));
    if (closed_) co_return;
    wanting_ = false;
    const bool good = co_await pull_next();
    if (!good) {
      on_.reset(stream_, NGHTTP2_INTERNAL_ERROR); // never a short body that looks whole
      co_return;
    }
    on_.resume(stream_);
  }
}

net::task<bool> http2_handled::pull_next() {
  const auto length = framing_.content_length;
  const std::uint64_t left = length ? *length - pulled_bytes_ : body_step_bytes;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, body_step_bytes));
  auto next = co_await answer_.body->next(wanted);
  if (!next) {
    log::info("http", "request {}: body broken off after {} bytes: {}", request_.id, sent_bytes_,
              next.error().message());
    co_return false;
  }
  pulled_bytes_ += next->length_bytes();
  body_ended_ = next->empty();
  step_ = std::move(*next);
  const bool settled = co_await settle_end();
  if (!settled) log::error("http", "request {}: answer broken off: its body is not as long as it said", request_.id);
  co_return settled;
}

/// Tells the handler what came of it and lets go of everything that was its.
void http2_handled::report() {
  const auto now = std::chrono::steady_clock::now();
  const exchange_record record{&request_, answer_.head.status,    sent_bytes_,
                               end_sent_, first_byte_ - started_, now - started_};
  on_.front().finished(record, answer_);
  step_ = {};
  answer_ = {};
  request_.body.reset();
  request_.notes.reset();
  if (upload_ != nullptr) upload_->detach();
}

} // namespace forebay::http
