#include "origin/breaker.h"

#include <algorithm>
#include <utility>

namespace forebay::origin {

breaker::breaker(unsigned failures_to_open, std::chrono::milliseconds open_for, const clock& time)
    : time_(time), failures_to_open_(std::max(1u, failures_to_open)), open_for_(open_for) {}

breaker::pass& breaker::pass::operator=(pass&& other) noexcept {
  if (this != &other) {
    withdraw();
    of_ = std::move(other.of_);
    probe_ = other.probe_;
  }
  return *this;
}

void breaker::pass::succeeded() noexcept {
  if (const auto of = std::exchange(of_, nullptr)) of->record(true, probe_);
}
void breaker::pass::failed() noexcept {
  if (const auto of = std::exchange(of_, nullptr)) of->record(false, probe_);
}
void breaker::pass::withdraw() noexcept {
  const auto of = std::exchange(of_, nullptr);
  if (of != nullptr && probe_) of->probe_left();
}

std::optional<breaker::pass> breaker::enter() {
  const std::lock_guard lock(mutex_);
  if (!open_) return pass(shared_from_this(), false);
  if (probing_ || time_.steady() < until_) return std::nullopt;
  probing_ = true;
  return pass(shared_from_this(), true);
}

void breaker::record(bool success, bool probe) noexcept {
  const std::lock_guard lock(mutex_);
  if (probe) probing_ = false;
  if (success) {
    // What was let through before it opened may still succeed; only a probe closes it.
    if (open_ && !probe) return;
    open_ = false;
    failures_in_row_ = 0;
    return;
  }
  ++failures_in_row_;
  if (probe || (!open_ && failures_in_row_ >= failures_to_open_)) {
    open_ = true;
    until_ = time_.steady() + open_for_;
  }
}

void breaker::probe_left() noexcept {
  const std::lock_guard lock(mutex_);
  probing_ = false;
}

std::chrono::milliseconds breaker::closed_in() const {
  const std::lock_guard lock(mutex_);
  if (!open_) return std::chrono::milliseconds(0);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until_ - time_.steady());
  return std::max(left, std::chrono::milliseconds(0));
}

bool breaker::is_open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

void breaker::configure(unsigned failures_to_open, std::chrono::milliseconds open_for) {
  const std::lock_guard lock(mutex_);
  failures_to_open_ = std::max(1u, failures_to_open);
  open_for_ = open_for;
}

} // namespace forebay::origin
