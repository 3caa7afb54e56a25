#include "origin/limiter.h"

#include <algorithm>
#include <utility>

namespace forebay::origin {

permit& permit::operator=(permit&& other) noexcept {
  if (this != &other) {
    give_back();
    from_ = std::move(other.from_);
  }
  return *this;
}

void permit::give_back() noexcept {
  if (const auto from = std::exchange(from_, nullptr)) from->release();
}

/// If the coroutine is destroyed while it waits, its place goes, and a permit that had just been granted goes on
/// to the next one.
struct limiter::place {
  place(std::shared_ptr<limiter> in, std::shared_ptr<waiter> who) : in(std::move(in)), who(std::move(who)) {}
  ~place() {
    if (who != nullptr && in->leave(who)) in->release();
  }
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  std::shared_ptr<limiter> in;
  std::shared_ptr<waiter> who;
};

net::task<permit> limiter::acquire(net::deadline until) {
  const std::shared_ptr<limiter> self = shared_from_this();
  std::shared_ptr<waiter> mine;
  if (self->enter_or_queue(mine)) co_return permit(self);
  place stay(self, mine);
  const bool told = co_await mine->granted_event.wait(until);
  (void)told; // a grant that came with the deadline counts: `leave` knows
  stay.who = nullptr;
  if (self->leave(mine)) co_return permit(self);
  co_return permit();
}

bool limiter::enter_or_queue(std::shared_ptr<waiter>& mine) {
  const std::lock_guard lock(mutex_);
  if (queue_.empty() && in_use_ < limit_) {
    ++in_use_;
    return true;
  }
  if (delayed_ != nullptr) delayed_->add();
  mine = std::make_shared<waiter>();
  queue_.push_back(mine);
  return false;
}

bool limiter::leave(const std::shared_ptr<waiter>& mine) {
  const std::lock_guard lock(mutex_);
  if (mine->granted) return true;
  std::erase(queue_, mine);
  return false;
}

void limiter::release() noexcept {
  std::deque<std::shared_ptr<waiter>> to_wake;
  {
    const std::lock_guard lock(mutex_);
    --in_use_;
    grant_next(to_wake);
  }
  for (const auto& each : to_wake) each->granted_event.notify();
}

void limiter::set_limit(unsigned limit) {
  std::deque<std::shared_ptr<waiter>> to_wake;
  {
    const std::lock_guard lock(mutex_);
    limit_ = limit;
    grant_next(to_wake);
  }
  for (const auto& each : to_wake) each->granted_event.notify();
}

void limiter::grant_next(std::deque<std::shared_ptr<waiter>>& to_wake) {
  while (in_use_ < limit_ && !queue_.empty()) {
    ++in_use_;
    queue_.front()->granted = true;
    to_wake.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
}

unsigned limiter::in_use() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}
std::size_t limiter::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

} // namespace forebay::origin
