#include "cache/reader.h"

#include <algorithm>

#include "origin/answer.h"

namespace forebay::cache {
namespace {

using std::chrono::milliseconds;

/// A waiting reader looks by itself this often: for bytes of a slow origin that were too few to be woken for,
/// and for a client that has gone.
constexpr milliseconds look_every{64};
/// A wait for the client's own pinned bytes to be sent.
constexpr milliseconds charge_poll{4};
/// Fills that a reader follows without getting a byte before it gives up: memory that is too small for what is
/// read from it, or an origin that never gets anywhere.
constexpr unsigned fruitless_limit = 8;

} // namespace

reader::reader(reader_context context, byte_range range, std::uint64_t ahead_until)
    : context_(std::move(context)),
      mark_(std::make_shared<mark>()),
      at_(range.begin),
      end_(range.end),
      ahead_until_(std::max(range.end, ahead_until)) {
  mark_->position.store(at_, std::memory_order_relaxed);
  // What this request's own exchange brings crossed the boundary for it, also where it came faster than it is read.
  from_origin_ = context_.own;
}

reader::~reader() {
  release_charge();
  leave_fill();
}

std::uint64_t reader::end() const noexcept { return std::min(end_, context_.of->length()); }

void reader::release_charge() noexcept {
  if (charged_bytes_ == 0) return;
  context_.shared->pins.release(context_.client, charged_bytes_);
  charged_bytes_ = 0;
}

void reader::leave_fill() noexcept {
  if (fill_ == nullptr) return;
  fill_->detach(mark_);
  fill_.reset();
}

bool reader::charge(std::size_t bytes) {
  auto& shared = *context_.shared;
  if (!shared.pins.charge(context_.client, bytes, shared.pin_bounds())) return false;
  charged_bytes_ = bytes;
  return true;
}

/// Until the client's other connections have taken some of what is pinned for them. Nothing is pinned here meanwhile.
net::task<result<void>> reader::wait_to_pin(std::size_t bytes) {
  auto& shared = *context_.shared;
  const bool of_all = shared.pins.is_scarce(bytes, shared.pin_bounds());
  (of_all ? shared.counts.refused_pins_of_all : shared.counts.refused_pins).add();
  const auto limits = shared.limits_now();
  const auto until = net::deadline::after(limits->reader_timeout);
  while (!shared.pins.has_room(context_.client, bytes, shared.pin_bounds())) {
    if (until.passed()) {
      co_return fail(error_kind::exhausted, "cache",
                     "limits.pinned_bytes_per_client: this client reads too slowly on too many connections", true);
    }
    if (context_.connection != nullptr && context_.connection->peer_closed()) {
      co_return fail(error_kind::cancelled, "cache", "the reader has gone");
    }
    co_await net::sleep_for(charge_poll);
  }
  co_return result<void>{};
}

net::task<result<net::slice>> reader::next(std::size_t max_bytes) {
  release_charge();
  for (;;) {
    const std::uint64_t last = end();
    if (at_ >= last) {
      leave_fill();
      if (context_.of->broken() && context_.of->length() == version::length_unknown) {
        co_return fail(context_.of->harm());
      }
      co_return net::slice{};
    }
    // Without a validator, what a broken transfer left is a part of something unknown.
    if (context_.of->broken()) co_return fail(context_.of->harm());
    net::slice piece =
        context_.shared->memory.read(context_.of->key(), at_, std::min<std::uint64_t>(last, at_ + max_bytes));
    if (!piece.empty()) {
      if (!charge(piece.length_bytes())) {
        const std::size_t wanted = piece.length_bytes();
        piece = {};
        auto waited = co_await wait_to_pin(wanted);
        if (!waited) co_return fail(waited.error());
        continue;
      }
      if (context_.report != nullptr) {
        lookup_report& report = *context_.report;
        const bool from_disk = disk_ != nullptr && disk_->ordered().contains(at_);
        auto& bytes = from_origin_.contains(at_) ? report.origin_bytes
                      : from_cold_.contains(at_) ? report.cold_bytes
                      : from_disk                ? report.disk_bytes
                                                 : report.memory_bytes;
        bytes += piece.length_bytes();
      }
      at_ += piece.length_bytes();
      without_.begun = true;
      context_.shared->unread.delivered(context_.client, piece.length_bytes());
      fruitless_ = 0;
      mark_->position.store(at_, std::memory_order_release);
      if (disk_ != nullptr) disk_->advance(at_, last);
      if (fill_ != nullptr) {
        if (at_ >= fill_->end() || fill_->ended()) {
          leave_fill();
        } else {
          fill_->advanced(*mark_);
        }
      }
      co_return piece;
    }
    if (++fruitless_ > fruitless_limit) {
      co_return fail(error_kind::exhausted, "cache", "what comes for this reader is gone again before it is read",
                     true);
    }
    auto obtained = co_await obtain();
    if (!obtained) co_return fail(obtained.error());
  }
}

/// Reads from the cold tier into memory. (What is damaged or was evicted meanwhile is not found: the next look sees
/// that.)
net::task<void> reader::read_cold(byte_range held, net::deadline until) {
  auto read = co_await context_.shared->cold->read(context_.of->key(), held, until);
  if (read) from_cold_ = {at_, read->end};
  if (!read && read.error().kind != error_kind::not_found) without_.cold = true;
  const bool told = context_.report == nullptr || !context_.report->detail.empty();
  if (read && !told) context_.report->detail = "cold";
}

void reader::order_from_disk(byte_range held) {
  if (disk_ == nullptr) disk_ = std::make_unique<disk_ahead>(context_.shared, context_.of);
  disk_->begin(held, end());
}

/// Until the disk has brought the byte at `at_`, or will not. A slow or failing one never fails a read that the origin
/// can answer.
net::task<void> reader::await_disk(net::deadline until) {
  const auto read = co_await disk_->wait(at_, until);
  if (read || read.error().kind == error_kind::not_found) co_return;
  context_.shared->counts.lower_failures.add();
  without_.lower = true;
  disk_->stop();
}

/// Makes the byte at `at_` readable, or says why that cannot be.
net::task<result<void>> reader::obtain() {
  const auto until = net::deadline::after(context_.shared->limits_now()->reader_timeout);
  for (;;) {
    if (until.passed()) co_return fail(error_kind::timeout, "cache", "no bytes within limits.reader_timeout", true);
    if (fill_ != nullptr && !fill_->ended() && at_ < fill_->end() && at_ >= fill_->frontier()) {
      auto followed = co_await follow(fill_, until);
      if (refused_another(followed)) continue;
      co_return followed;
    }
    leave_fill();
    if (disk_ != nullptr && !without_.lower && disk_->brings(at_)) {
      co_await await_disk(until);
      co_return result<void>{};
    }
    auto plan = context_.of->locate(at_, ahead_until_, ahead_until_ > end_, without_, context_.origins);
    if (!plan) co_return fail(plan.error());
    if (plan->lower && plan->cold) {
      co_await read_cold(*plan->lower, until);
      co_return result<void>{};
    }
    if (plan->lower) {
      order_from_disk(*plan->lower);
      continue;
    }
    if (plan->follow != nullptr) {
      if (ahead_until_ > end_) {
        // What was ordered ahead and does not come by this fill (another reader's, or one cut short) is ordered now.
        context_.of->fetch_ahead({plan->follow->end(), ahead_until_}, context_.origins);
        ahead_until_ = end_;
      }
      if (!plan->started && !context_.own.contains(at_) && context_.report != nullptr) {
        context_.report->collapsed = true;
        context_.shared->counts.collapsed.add();
      }
      if (plan->started) from_origin_ = {plan->follow->begin(), plan->follow->end()};
      if (plan->follow->followers() >= context_.shared->limits_now()->followers_per_fill) {
        context_.shared->counts.refused_followers.add();
        co_return fail(error_kind::exhausted, "cache", "limits.followers_per_fill readers follow this transfer", true);
      }
      fill_ = plan->follow;
      fill_->attach(mark_);
      auto followed = co_await follow(fill_, until);
      if (!plan->started && refused_another(followed)) continue;
      co_return followed;
    }
    // Covered by a block that is being written, or just came: look again.
    if (context_.shared->memory.find(context_.of->key(), {at_, at_ + 1})) co_return result<void>{};
    co_await net::sleep_for(milliseconds(1));
  }
}

/// A fill is asked for in the name of the reader who started it. Where the origin refuses him, those who followed ask
/// with the right that they have.
bool reader::refused_another(const result<void>& followed) const noexcept {
  const bool refused = !followed && origin::is_refusal(followed.error().kind);
  return refused && !from_origin_.contains(at_) && context_.origins.front().token != nullptr;
}

/// Waits until the fill has passed `at_`. Success also when it ended without an error short of it.
net::task<result<void>> reader::follow(std::shared_ptr<fill> from, net::deadline until) {
  // Raised before the look at the frontier: a fill that passes us in between sees it.
  mark_->waiting.store(true, std::memory_order_seq_cst);
  result<void> answer;
  while (!from->ended() && from->frontier() <= at_ && at_ < from->end()) {
    if (until.passed()) {
      answer = fail(error_kind::timeout, "cache", "no bytes within limits.reader_timeout", true);
      break;
    }
    if (context_.connection != nullptr && context_.connection->peer_closed()) {
      answer = fail(error_kind::cancelled, "cache", "the reader has gone");
      break;
    }
    co_await mark_->wake.wait(until.within(look_every));
  }
  mark_->waiting.store(false, std::memory_order_release);
  if (!answer) co_return answer;
  if (from->ended() && from->frontier() <= at_) {
    leave_fill();
    co_return from->outcome();
  }
  co_return answer;
}

} // namespace forebay::cache
