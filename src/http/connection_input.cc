#include "http/connection_input.h"

#include <algorithm>
#include <array>

#include "http/refusals.h"

namespace forebay::http {
namespace {

constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

/// A copy of `bytes` that lives as long as somebody holds it: the receive buffer is used again at once.
net::slice copy_of(std::span<const std::byte> bytes) {
  return net::make_slice(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

/// Where idle connections of this thread read: what comes is dealt with, or kept elsewhere, before another one reads.
std::span<std::byte> idle_place() noexcept {
  static thread_local std::array<std::byte, connection_input::buffer_bytes> place;
  return place;
}

} // namespace

net::task<result<std::size_t>> connection_input::fill(net::deadline until) {
  ready_ = {};
  buffer_.resize(buffer_bytes);
  const std::span<std::byte> into(buffer_);
  auto got = co_await from_.read_some(into, until);
  if (got) ready_ = into.first(*got);
  co_return got;
}

net::task<result<std::size_t>> connection_input::fill_idle(net::deadline until, net::idle_taker& by) {
  ready_ = {};
  auto got = co_await from_.read_idle(idle_place(), until, by);
  co_return got;
}

net::task<result<std::size_t>> connection_input::extend(net::deadline until) {
  const std::size_t kept = ready_.size();
  const auto begin = static_cast<std::size_t>(ready_.data() - buffer_.data());
  buffer_.resize(buffer_bytes);
  const std::span<std::byte> all(buffer_);
  ready_ = all.subspan(begin, kept);
  auto got = co_await from_.read_some(all.subspan(begin + kept), until);
  if (got) ready_ = all.subspan(begin, kept + *got);
  co_return got;
}

void connection_input::came(std::size_t count) noexcept { ready_ = idle_place().first(count); }

void connection_input::keep() {
  buffer_.assign(ready_.begin(), ready_.end());
  ready_ = buffer_;
}

void connection_input::trim() noexcept {
  if (ready_.empty()) buffer_ = {};
}

incoming_body::incoming_body(connection_input& input, body_framing framing, bool continue_awaited,
                             std::shared_ptr<const server_limits> limits)
    : input_(&input),
      framing_(framing),
      limits_(std::move(limits)),
      left_(framing.length_bytes),
      continue_awaited_(continue_awaited),
      ended_(!framing.chunked && framing.length_bytes == 0),
      patience_(limits_->body_timeout, limits_->slow_sender_bytes) {}

const header_table* incoming_body::trailers() const noexcept {
  return framing_.chunked && ended_ && decoder_.trailers().size() > 0 ? &decoder_.trailers() : nullptr;
}

tl::unexpected<error> incoming_body::failure(error why, unsigned status) {
  failed_ = true;
  fault_status_ = status;
  return fail(std::move(why));
}

net::task<result<net::slice>> incoming_body::next(std::size_t max_bytes) {
  auto run = co_await next_run(max_bytes, std::nullopt);
  if (!run) co_return fail(std::move(run.error()));
  co_return copy_of(*run);
}

net::task<bool> incoming_body::drain(std::size_t limit_bytes) {
  const auto until = net::deadline::after(limits_->body_timeout);
  std::size_t drained = 0;
  while (!ended_ && drained <= limit_bytes) {
    const auto run = co_await next_run(connection_input::buffer_bytes, until);
    if (!run) co_return false;
    drained += run->size();
  }
  co_return ended_;
}

/// The next bytes of the body where they lie in the receive buffer (until it is filled again); none at the end.
/// Without a deadline for the whole, each wait has one of its own.
net::task<result<std::span<const std::byte>>> incoming_body::next_run(std::size_t max_bytes,
                                                                      std::optional<net::deadline> whole) {
  for (;;) {
    if (input_ == nullptr) co_return fail(error_kind::cancelled, "request body", "its exchange has ended");
    if (ended_) co_return std::span<const std::byte>{};
    if (!input_->ready().empty()) {
      auto run = take_ready(max_bytes);
      const bool progress = !run || !run->empty() || ended_;
      if (progress) co_return run;
      continue;
    }
    auto came = co_await await_bytes(whole);
    if (!came) co_return fail(std::move(came.error()));
  }
}

/// Body bytes out of what is ready; empty when all of it was framing.
result<std::span<const std::byte>> incoming_body::take_ready(std::size_t max_bytes) {
  continue_awaited_ = false; // the client sends without waiting for it
  auto bytes = input_->ready();
  bytes = bytes.first(std::min(bytes.size(), max_bytes));
  if (!framing_.chunked) {
    bytes = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_)));
    input_->consume(bytes.size());
    left_ -= bytes.size();
    ended_ = left_ == 0;
    return bytes;
  }
  auto step = decoder_.feed(bytes);
  if (!step) return failure(std::move(step.error()), 400);
  input_->consume(step->taken);
  ended_ = step->ended;
  taken_ += step->data.size();
  if (taken_ > limits_->body_bytes)
    return failure({error_kind::invalid_input, "request body", "it is larger than this node takes"}, 413);
  return step->data;
}

net::task<result<void>> incoming_body::await_bytes(std::optional<net::deadline> whole) {
  if (continue_awaited_) {
    continue_awaited_ = false;
    const net::slice line{-1, 0, std::as_bytes(std::span(continue_line)), {}};
    const std::span<const net::slice> pieces(&line, 1);
    auto sent = co_await input_->from().send(pieces, false, limits_->send_stall);
    if (!sent) co_return failure(std::move(sent.error()));
  }
  const auto began = std::chrono::steady_clock::now();
  const net::deadline until = whole.value_or(net::deadline{patience_.ends(began)});
  auto got = co_await input_->fill(until);
  if (!got) {
    const bool slow = got.error().kind == error_kind::timeout;
    if (slow && !whole) count_slow_body(patience_.moves());
    co_return failure(std::move(got.error()), slow ? 408 : 0);
  }
  patience_.brought(*got, began, std::chrono::steady_clock::now());
  if (*got == 0) co_return failure({error_kind::broken, "request body", "the client ended it before its end"});
  co_return result<void>{};
}

} // namespace forebay::http
