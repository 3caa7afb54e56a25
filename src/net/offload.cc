#include "net/offload.h"

namespace forebay::net {

worker_pool::worker_pool(unsigned threads, std::size_t queue_limit, metrics::counter* refused)
    : queue_limit_(queue_limit), refused_(refused) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

void worker_pool::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ready_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  while (run_one()) {}
}

bool worker_pool::submit(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    const bool full = queue_.size() >= queue_limit_;
    if (full && refused_ != nullptr) refused_->add();
    if (ending_ || full) return false;
    queue_.push_back(std::move(work));
  }
  ready_.notify_one();
  return true;
}

bool worker_pool::run_one() {
  std::function<void()> next;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) return false;
    next = std::move(queue_.front());
    queue_.pop_front();
  }
  next();
  return true;
}

void worker_pool::work() {
  for (;;) {
    std::function<void()> next;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    next();
  }
}

} // namespace forebay::net
