// How many exchanges with one origin may be under way at once, over all loops.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include "base/metrics.h"
#include "net/task.h"
#include "net/wait.h"

namespace forebay::origin {

class limiter;

/// The right to one exchange; given back when it goes. Movable; may be destroyed on any thread.
class permit {
public:
  permit() = default;
  permit(permit&&) noexcept = default;
  permit& operator=(permit&& other) noexcept;
  ~permit() { give_back(); }
  explicit operator bool() const noexcept { return from_ != nullptr; }
  void give_back() noexcept;

private:
  friend class limiter;
  explicit permit(std::shared_ptr<limiter> from) : from_(std::move(from)) {}
  std::shared_ptr<limiter> from_;
};

/// A counting limit with a queue: who waits longest is served first, whatever loop it waits on. Thread-safe.
class limiter : public std::enable_shared_from_this<limiter> {
public:
  /// `delayed`, where there is one, counts who has to wait.
  explicit limiter(unsigned limit, metrics::counter* delayed = nullptr) : limit_(limit), delayed_(delayed) {}
  /// A permit, or an empty one when the deadline passed first.
  net::task<permit> acquire(net::deadline until);
  /// Takes effect as permits come back (configuration reload).
  void set_limit(unsigned limit);
  unsigned in_use() const;
  std::size_t waiting() const;

private:
  friend class permit;
  struct waiter {
    net::event granted_event;
    bool granted = false;
  };
  struct place; ///< a waiter's stay in the queue, ended also when its coroutine is destroyed
  bool enter_or_queue(std::shared_ptr<waiter>& mine);
  bool leave(const std::shared_ptr<waiter>& mine); ///< true when a permit had been granted
  void release() noexcept;
  void grant_next(std::deque<std::shared_ptr<waiter>>& to_wake);

  mutable std::mutex mutex_;
  unsigned limit_;
  unsigned in_use_ = 0;
  metrics::counter* const delayed_;
  std::deque<std::shared_ptr<waiter>> queue_;
};

} // namespace forebay::origin
