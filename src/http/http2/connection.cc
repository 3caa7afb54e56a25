#include "http/http2/connection.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "http/http2/callbacks.h"
#include "http/refusals.h"
#include "net/loop.h"

namespace forebay::http {
namespace {

constexpr std::string_view preface = NGHTTP2_CLIENT_MAGIC;
/// How often a connection looks at its deadlines, and whether the node drains.
constexpr std::chrono::milliseconds look_interval{500};
constexpr std::size_t read_bytes = 16 * 1024;
/// What one round of sending gathers.
constexpr std::size_t gather_bytes = 256 * 1024;
/// After so many bytes others on the loop get their turn.
constexpr std::size_t turn_bytes = 4 * 1024 * 1024;
/// The same for answers that leave as soon as they are asked for.
constexpr std::size_t yield_bytes = 256 * 1024;
/// Of control frames and resets a peer may send so many seconds' worth at once.
constexpr double burst_seconds = 4;
/// Each DATA frame that we send may cost the peer so many WINDOW_UPDATEs.
constexpr double control_frames_per_data = 4;
/// Uploads that nobody reads hold at most so many streams' windows.
constexpr std::int32_t connection_windows = 4;
/// A list of fields so many times longer than the limit is an attack: not worth the decoding.
constexpr std::size_t header_list_factor = 16;
/// So many streams that we reset are remembered.
constexpr std::size_t forgiven_max = 1'024;
constexpr std::chrono::minutes long_wait{10};
/// Memory of recalled answers that a connection keeps for the next ones.
constexpr std::size_t spare_max = 16;

struct option_deleter {
  void operator()(nghttp2_option* one) const noexcept { nghttp2_option_del(one); }
};

} // namespace

preface_match match_http2_preface(std::span<const std::byte> begins_with) noexcept {
  const std::size_t length = std::min(begins_with.size(), preface.size());
  if (std::memcmp(begins_with.data(), preface.data(), length) != 0) return preface_match::no;
  return length == preface.size() ? preface_match::whole : preface_match::so_far;
}

http2_connection::http2_connection(std::unique_ptr<net::stream> stream, std::shared_ptr<handler> front,
                                   std::shared_ptr<const server_limits> limits,
                                   std::shared_ptr<std::atomic<bool>> draining)
    : stream_(std::move(stream)),
      front_(std::move(front)),
      limits_(std::move(limits)),
      draining_(std::move(draining)),
      resets_(limits_->http2.resets_per_second * burst_seconds, limits_->http2.resets_per_second,
              std::chrono::steady_clock::now()),
      control_frames_(limits_->http2.control_frames_per_second * burst_seconds,
                      limits_->http2.control_frames_per_second, std::chrono::steady_clock::now()) {
  spare_.reserve(spare_max);
  idle_since_ = stuck_looked_ = std::chrono::steady_clock::now();
}

http2_connection::~http2_connection() { nghttp2_session_del(session_); }

bool http2_connection::start() {
  nghttp2_option* made = nullptr;
  if (nghttp2_option_new(&made) != 0) return false;
  const std::unique_ptr<nghttp2_option, option_deleter> options(made);
  nghttp2_option_set_no_auto_window_update(made, 1); // windows open as bodies are read
  nghttp2_option_set_no_closed_streams(made, 1);
  nghttp2_option_set_stream_reset_rate_limit(made, UINT32_MAX, UINT32_MAX); // ours has a setting and a metric
  if (nghttp2_session_server_new2(&session_, http2_callbacks(), this, made) != 0) return false;
  const http2_limits& limits = limits_->http2;
  const auto window = static_cast<std::uint32_t>(limits.window_bytes);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits_->header_bytes)}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  const std::int32_t whole = std::max<std::int32_t>(static_cast<std::int32_t>(window) * connection_windows, 65'535);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, whole);
  http2_metrics().connections.add();
  return true;
}

net::task<void> http2_connection::run(std::string early) {
  if (!start()) {
    stream_->abort();
    co_return;
  }
  writing_ = true;
  net::loop::current().spawn(write_all(this));
  co_await read_all(std::move(early));
  stopping_ = true;
  wake_.notify();
  while (writing_) co_await ended_.wait(net::deadline::after(long_wait)); // the last frames say why
  for (auto& [stream, exchange] : exchanges_) exchange->closed();
  while (running_ > 0) co_await ended_.wait(net::deadline::after(long_wait));
  exchanges_.clear();
  if (broken_) {
    stream_->abort();
  } else {
    stream_->close();
  }
}

// --- reading

net::task<void> http2_connection::read_all(std::string early) {
  if (feed(std::as_bytes(std::span(early))) == pace::over) co_return;
  std::vector<std::byte> buffer(read_bytes);
  for (;;) {
    if (look_around() == pace::over) co_return;
    const std::span<std::byte> into(buffer);
    auto got = co_await stream_->read_some(into, net::deadline::after(std::min(look_interval, limits_->send_stall)));
    if (!got && got.error().kind == error_kind::timeout) {
      if (exchanges_.empty() && spare_.size() > 1) spare_.resize(1);
      continue;
    }
    if (!got) {
      broken_ = true; // nobody is there to hear more
      stream_->abort();
      co_return;
    }
    if (*got == 0) {
      co_await finish_answers();
      co_return;
    }
    if (feed(into.first(*got)) == pace::over) co_return;
    if (sent_at_once_ < yield_bytes) continue;
    sent_at_once_ = 0;
    co_await net::yield();
  }
}

/// The client has ended its side. What it asked for and is there still goes to it, as far as its windows are open.
net::task<void> http2_connection::finish_answers() {
  peer_ended_ = true;
  for (const auto& [stream, exchange] : exchanges_) exchange->peer_ended();
  if (heading_ != 0) reset(heading_, NGHTTP2_CANCEL);
  std::uint64_t seen = sent_bytes_;
  auto moved = std::chrono::steady_clock::now();
  while (!exchanges_.empty() && !broken_) {
    const bool notified = co_await ended_.wait(net::deadline::after(std::min(look_interval, limits_->send_stall)));
    if (notified || sent_bytes_ != seen) {
      seen = sent_bytes_;
      moved = std::chrono::steady_clock::now();
      continue;
    }
    look_for_stuck();
    // Neither an answer ends nor a byte leaves: nobody is there who could change that.
    if (std::chrono::steady_clock::now() - moved > limits_->send_stall) co_return;
  }
}

http2_connection::pace http2_connection::feed(std::span<const std::byte> bytes) {
  while (!bytes.empty() && !broken_) {
    const auto run = bytes.first(scanner_.next(bytes));
    bytes = bytes.subspan(run.size());
    std::uint32_t mistake = scanner_.head_complete() ? judge(scanner_.head()) : std::uint32_t{NGHTTP2_NO_ERROR};
    const bool too_late = scanner_.opens_nothing() && is_closed(scanner_.head().stream_id);
    if (too_late) mistake = NGHTTP2_PROTOCOL_ERROR; // nghttp2 says it for streams that are open
    if (mistake != NGHTTP2_NO_ERROR) {
      give_up(mistake);
      return pace::over;
    }
    const ssize_t taken =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(run.data()), run.size());
    if (taken >= 0) continue;
    // For what breaks the protocol nghttp2 has queued a GOAWAY; these are limits, and what is no HTTP/2 at all.
    give_up(taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM);
    return pace::over;
  }
  send_at_once();
  return broken_ ? pace::over : pace::goes_on;
}

void http2_connection::give_up(std::uint32_t code) {
  nghttp2_session_terminate_session(session_, code);
  wake_.notify();
}

/// Deadlines, and the end of a node that drains.
http2_connection::pace http2_connection::look_around() {
  const bool said_all = nghttp2_session_want_read(session_) == 0; // a GOAWAY was sent or came, and nothing is left
  if (broken_ || said_all) return pace::over;
  const steady_time now = std::chrono::steady_clock::now();
  if (head_overdue(now)) {
    http2_metrics().header_timeout.add();
    give_up(NGHTTP2_ENHANCE_YOUR_CALM);
    return pace::over;
  }
  if (!exchanges_.empty() || heading_ != 0) idle_since_ = now;
  const bool idle = now - idle_since_ > limits_->idle_timeout;
  if (idle) {
    count_idle();
    give_up(NGHTTP2_NO_ERROR);
    return pace::over;
  }
  if (now - stuck_looked_ > limits_->send_stall) look_for_stuck();
  if (draining_ && draining_->load(std::memory_order_relaxed)) drain();
  return drain_steps_ > 1 && exchanges_.empty() ? pace::over : pace::goes_on;
}

/// A request whose head has begun and does not end.
bool http2_connection::head_overdue(steady_time now) const {
  return heading_ != 0 && now - heading_since_ > limits_->header_timeout;
}

/// Readers whose windows stay shut keep what they asked for pinned.
void http2_connection::look_for_stuck() {
  stuck_looked_ = std::chrono::steady_clock::now();
  for (const auto& [stream, exchange] : exchanges_) {
    const bool slow = exchange->stuck(limits_->http2.slow_reader_bytes);
    const std::int32_t window = std::min(nghttp2_session_get_remote_window_size(session_),
                                         nghttp2_session_get_stream_remote_window_size(session_, stream));
    // With an open window it waits for its turn, not for its reader.
    // (A client that has ended its side opens no window any more.)
    if (!slow || window > static_cast<std::int64_t>(limits_->http2.slow_reader_bytes)) continue;
    http2_metrics().slow_readers.add();
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  }
  wake_.notify();
}

/// First a notice, so that requests on their way are still taken; at the next look the last stream's number
/// (RFC 9113 §6.8).
void http2_connection::drain() {
  if (drain_steps_ == 0) nghttp2_submit_shutdown_notice(session_);
  if (drain_steps_ == 1)
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
  drain_steps_ = std::min(drain_steps_ + 1, 2u);
  wake_.notify();
}

std::uint32_t http2_connection::judge(const nghttp2_frame_hd& head) {
  if (head.type == NGHTTP2_RST_STREAM) {
    if (resets_.take(std::chrono::steady_clock::now())) return NGHTTP2_NO_ERROR;
    http2_metrics().resets.add();
    return NGHTTP2_ENHANCE_YOUR_CALM;
  }
  const bool works = head.type == NGHTTP2_HEADERS || (head.type == NGHTTP2_DATA && head.length > 0);
  if (!works && !control_frames_.take(std::chrono::steady_clock::now())) {
    http2_metrics().control_frames.add();
    return NGHTTP2_ENHANCE_YOUR_CALM;
  }
  const bool of_message = head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_DATA;
  if (of_message && is_closed(head.stream_id)) return NGHTTP2_STREAM_CLOSED; // RFC 9113 §5.1
  if (head.type == NGHTTP2_HEADERS && head.stream_id > highest_) {
    highest_ = head.stream_id;
    forgive(head.stream_id); // until it is opened; nghttp2 may refuse it
  }
  return NGHTTP2_NO_ERROR;
}

/// The client has ended, reset or skipped it, and knows.
bool http2_connection::is_closed(std::int32_t stream) const {
  const bool open = stream == heading_ || exchanges_.contains(stream);
  return stream > 0 && stream <= highest_ && !open && !forgiven_.contains(stream);
}

void http2_connection::forgive(std::int32_t stream) {
  forgiven_.insert(stream);
  if (forgiven_.size() > forgiven_max) forgiven_.erase(forgiven_.begin());
}

// --- exchanges

http2_exchange* http2_connection::find(std::int32_t stream) noexcept {
  const auto found = exchanges_.find(stream);
  return found != exchanges_.end() ? found->second.get() : nullptr;
}

/// False: too many handlers still work for streams that were given up (CVE-2023-44487).
bool http2_connection::begin_head(std::int32_t stream) {
  if (running_ >= 2 * limits_->http2.streams) {
    http2_metrics().running.add();
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
    return false;
  }
  http2_metrics().streams.add();
  if (heading_ != 0) forgive(heading_); // nghttp2 has refused it midway, which the client does not know yet
  forgiven_.erase(stream);
  heading_ = stream;
  heading_since_ = std::chrono::steady_clock::now();
  head_.clear();
  return true;
}

bool http2_connection::add_field(std::string_view name, std::string_view value) {
  head_.add(name, value, *limits_);
  if (head_.list_bytes() <= limits_->header_bytes * header_list_factor) return true;
  http2_metrics().header_list.add();
  return false;
}

void http2_connection::open_exchange(std::int32_t stream, bool has_body) {
  if (stream != heading_) return; // it ended meanwhile
  heading_ = 0;
  if (!has_body && recall(stream)) return;
  const auto made = std::make_shared<http2_handled>(*this, stream, heading_since_);
  exchanges_.emplace(stream, made);
  ++running_;
  made->begin(head_, has_body);
}

bool http2_connection::recall(std::int32_t stream) {
  // What is recalled is pinned at once: a reader who takes nothing is for the handler, which asks whether he may.
  if (waiting_ > 0 || uncharged_bytes_ >= gather_bytes) return false;
  const std::string_view raw_head = head_.raw();
  if (raw_head.empty()) return false;
  if (spare_.empty()) spare_.push_back(std::make_shared<http2_recalled>(*this));
  const auto mine = spare_.back();
  if (!mine->answer(raw_head, stream, heading_since_)) return false;
  spare_.pop_back();
  idle_since_ = heading_since_;
  uncharged_bytes_ += mine->uncharged_bytes();
  exchanges_.emplace(stream, mine);
  recalled_now_.push_back(stream);
  recalled_fields_.refer_to(mine->head());
  submit_fields(*mine, stream, recalled_fields_, true);
  return true;
}

/// Those of whom something is left hold memory for a reader who may be slow.
void http2_connection::tell_waiting() noexcept {
  for (const std::int32_t stream : recalled_now_) {
    if (http2_exchange* const exchange = find(stream)) waiting_ += exchange->waits() ? 1 : 0;
  }
  recalled_now_.clear();
  uncharged_bytes_ = 0;
}

void http2_connection::close_exchange(std::int32_t stream) noexcept {
  if (stream == heading_) heading_ = 0;
  const auto found = exchanges_.find(stream);
  if (found == exchanges_.end()) return;
  const auto exchange = std::move(found->second);
  exchanges_.erase(found);
  if (const std::size_t unread = exchange->unread_bytes()) nghttp2_session_consume_connection(session_, unread);
  if (exchange->is_slow()) --waiting_;
  exchange->closed();
  // Those without a coroutine were recalled.
  if (!exchange->has_coroutine() && spare_.size() < spare_max)
    spare_.push_back(std::static_pointer_cast<http2_recalled>(exchange));
  ended_.notify();
}

void http2_connection::exchange_ended() noexcept {
  --running_;
  ended_.notify();
}

void http2_connection::consume(std::int32_t stream, std::size_t bytes) {
  nghttp2_session_consume(session_, stream, bytes);
  wake_.notify();
}

void http2_connection::interim(std::int32_t stream, const response_head& head) {
  const http2_answer_fields fields(head);
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream, nullptr, fields.data(), fields.size(), nullptr);
  wake_.notify();
}

void http2_connection::submit(http2_exchange& from, std::int32_t stream, const http2_answer_fields& fields,
                              bool has_body) {
  submit_fields(from, stream, fields, has_body);
  wake_.notify();
}

void http2_connection::submit_fields(http2_exchange& from, std::int32_t stream, const http2_answer_fields& fields,
                                     bool has_body) {
  const nghttp2_data_provider body = http2_body_provider();
  const int failed =
      nghttp2_submit_response(session_, stream, fields.data(), fields.size(), has_body ? &body : nullptr);
  if (failed != 0) from.closed(); // the stream is over already
}

void http2_connection::resume(std::int32_t stream) {
  nghttp2_session_resume_data(session_, stream);
  wake_.notify();
}

void http2_connection::reset(std::int32_t stream, std::uint32_t code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, code);
  wake_.notify();
}

// --- sending

bool http2_connection::has_room() const noexcept { return out_bytes_ < gather_bytes; }

void http2_connection::append(std::span<const std::byte> control) {
  const bool joins = !out_.empty() && out_.back().body.empty();
  if (!joins) out_.push_back({control_.size(), 0, {}});
  out_.back().length += control.size();
  control_.append(reinterpret_cast<const char*>(control.data()), control.size());
  out_bytes_ += control.size();
}

void http2_connection::append(net::slice body) {
  out_bytes_ += body.length_bytes();
  out_.push_back({0, 0, std::move(body)});
}

void http2_connection::body_sent() noexcept { control_frames_.give(control_frames_per_data); }

/// Takes what nghttp2 wants to send; false when there is nothing.
bool http2_connection::gather() {
  control_.clear();
  out_.clear();
  out_bytes_ = 0;
  if (nghttp2_session_send(session_) != 0) broken_ = true;
  tell_waiting();
  sent_bytes_ += out_bytes_;
  return !out_.empty() && !broken_;
}

void http2_connection::make_pieces() {
  pieces_.clear();
  for (part& one : out_) {
    if (one.body.empty()) {
      pieces_.push_back({-1, 0, std::as_bytes(std::span(control_)).subspan(one.from, one.length), {}});
    } else {
      pieces_.push_back(std::move(one.body));
    }
  }
}

/// What was just asked for and is there leaves without a coroutine's being woken for it, as far as the stream takes it.
void http2_connection::send_at_once() {
  if (sending_) return tell_waiting(); // the writer goes on by itself
  if (!pieces_.empty() || stream_->holds_back()) return wake_.notify();
  if (broken_ || !gather()) return;
  make_pieces();
  sent_at_once_ += out_bytes_;
  const std::size_t taken = stream_->send_now(pieces_);
  drop_sent(taken);
  const bool all = pieces_.empty() && !stream_->holds_back() && has_room();
  if (!all) wake_.notify(); // the rest is the writer's
}

/// Of `pieces_`, which have left as far as that.
void http2_connection::drop_sent(std::size_t bytes) {
  std::size_t gone = 0;
  while (gone < pieces_.size() && bytes >= pieces_[gone].length_bytes()) bytes -= pieces_[gone++].length_bytes();
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(gone));
  if (bytes > 0) pieces_[0] = pieces_[0].part(bytes, pieces_[0].length_bytes() - bytes);
}

net::task<bool> http2_connection::write_pieces() {
  sending_ = true;
  const std::span<const net::slice> all(pieces_);
  const auto sent = co_await stream_->send(all, false, limits_->send_stall);
  sending_ = false;
  pieces_.clear(); // they hold pins
  co_return sent.has_value();
}

net::task<void> http2_connection::write_all(http2_connection* self) {
  std::size_t turn = 0;
  while (!self->broken_) {
    const bool rest = !self->pieces_.empty() || self->stream_->holds_back();
    if (!rest && self->gather()) self->make_pieces();
    if (!rest && self->pieces_.empty()) {
      if (self->stopping_) break;
      co_await self->wake_.wait(net::deadline::after(long_wait));
      turn = 0;
      continue;
    }
    turn += self->out_bytes_;
    const bool sent = co_await self->write_pieces();
    if (!sent) {
      self->broken_ = true;
      self->stream_->abort(); // ends the read that waits
      break;
    }
    if (turn < turn_bytes) continue;
    turn = 0;
    co_await net::yield();
  }
  self->writing_ = false;
  self->ended_.notify();
}

net::task<void> serve_http2(std::unique_ptr<net::stream> connection, std::string early, std::shared_ptr<handler> front,
                            std::shared_ptr<const server_limits> limits, std::shared_ptr<std::atomic<bool>> draining) {
  http2_connection all(std::move(connection), std::move(front), std::move(limits), std::move(draining));
  co_await all.run(std::move(early));
}

} // namespace forebay::http
