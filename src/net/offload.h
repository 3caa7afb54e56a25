// Blocking work off the loops: file reads, decoding, foreign libraries that block.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "net/loop.h"
#include "net/wait.h"

namespace forebay::net {

/// A bounded pool of threads for blocking work. Thread-safe. With no threads, whoever holds it does the work (for tests
/// that decide the order).
class worker_pool {
public:
  /// `refused`, where there is one, counts what a full queue did not take.
  worker_pool(unsigned threads, std::size_t queue_limit, metrics::counter* refused = nullptr);
  ~worker_pool() { end(); }
  /// Finishes what is queued and takes no more.
  void end();
  /// False when the queue is full: the caller answers "exhausted", it does not wait.
  bool submit(std::function<void()> work);
  /// Does the first of what is queued, here; false when nothing is.
  bool run_one();

private:
  void work();
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;
  std::size_t queue_limit_;
  metrics::counter* const refused_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

/// Runs `work` on the pool and resumes here, on the loop, with its result. The loop waits no longer than `until`
/// (`timeout`); the work goes on if it must. `exhausted` when the queue is full.
template <class T>
task<result<T>> offload(worker_pool& pool, deadline until, std::function<result<T>()> work) {
  auto answer = std::make_shared<result<T>>(fail(error_kind::cancelled, "worker pool", "the work did not run"));
  event done;
  const bool accepted = pool.submit([answer, done, work = std::move(work)] {
    *answer = work();
    done.notify();
  });
  if (!accepted) co_return fail(error_kind::exhausted, "worker pool", "its queue is full", true);
  const bool finished = co_await done.wait(until);
  if (!finished) co_return fail(error_kind::timeout, "worker pool", "the work did not end in time", true);
  co_return std::move(*answer);
}

} // namespace forebay::net
