#include "net/deadlines.h"

#include <algorithm>

#include "net/loop.h"

namespace forebay::net {
namespace {

std::int64_t tick_of(steady_time at) noexcept { return at.time_since_epoch() / loop::tick; }
steady_time end_of(std::int64_t tick_number) noexcept { return steady_time(loop::tick * (tick_number + 1)); }

} // namespace

deadlines::deadlines() noexcept : done_tick_(tick_of(std::chrono::steady_clock::now())) {}
deadlines::~deadlines() { precise_.clear(); }

void deadlines::arm(timed_wait& wait) noexcept {
  disarm(wait);
  // The tick after the moment: a wait may end late, never early.
  timed_wait*& head = head_of(std::max(tick_of(wait.at) + 1, done_tick_ + 1));
  wait.next_ = head;
  wait.link_ = &head;
  if (head != nullptr) head->link_ = &wait.next_;
  head = &wait;
}

void deadlines::disarm(timed_wait& wait) noexcept {
  if (wait.link_ == nullptr) return;
  *wait.link_ = wait.next_;
  if (wait.next_ != nullptr) wait.next_->link_ = wait.link_;
  wait.link_ = nullptr;
  wait.next_ = nullptr;
}

void deadlines::arm(precise_wait& wait) noexcept {
  wait.unlink();
  precise_.insert(wait);
}

steady_time deadlines::next() const noexcept {
  const steady_time tick_end = end_of(done_tick_);
  return precise_.empty() ? tick_end : std::min(tick_end, precise_.begin()->at);
}

std::optional<std::chrono::nanoseconds> deadlines::run(steady_time now) noexcept {
  while (!precise_.empty() && precise_.begin()->at <= now) {
    precise_wait& due = *precise_.begin();
    due.unlink();
    due.fired();
  }
  const std::int64_t until = tick_of(now);
  if (until <= done_tick_) return std::nullopt;
  const std::chrono::nanoseconds late = now - end_of(done_tick_);
  // After a long pause one turn visits every slot: more would visit the same ones again.
  std::int64_t number = std::max(done_tick_, until - static_cast<std::int64_t>(slots));
  done_tick_ = until;
  for (++number; number <= until; ++number) sweep(number, now);
  return late;
}

void deadlines::sweep(std::int64_t tick_number, steady_time now) noexcept {
  timed_wait** at = &head_of(tick_number);
  // `expired` may arm, disarm and destroy other waits, so due ones are first moved to a list of their own.
  timed_wait* due = nullptr;
  while (*at != nullptr) {
    timed_wait& wait = **at;
    if (wait.at > now) {
      at = &wait.next_;
      continue;
    }
    disarm(wait);
    wait.next_ = due;
    wait.link_ = &due;
    if (due != nullptr) due->link_ = &wait.next_;
    due = &wait;
  }
  while (due != nullptr) {
    timed_wait& wait = *due;
    disarm(wait);
    wait.expired();
  }
}

void deadlines::abandon() noexcept {
  for (auto& head : heads_) {
    while (head != nullptr) {
      timed_wait& wait = *head;
      disarm(wait);
      wait.abandoned();
    }
  }
  precise_.clear();
}

} // namespace forebay::net
