// The access log: one JSON line a request, written off the loops.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"

namespace forebay::front {

/// What one line says. Rendered by the log's thread, not by the loop that fills it in.
struct access_entry {
  wall_time when{};
  std::string id, client, method, target; ///< the target as asked: secrets in its query are masked when written
  unsigned status = 0;
  std::uint64_t sent_bytes = 0;
  bool complete = true;
  std::chrono::nanoseconds first_byte{}, total{};
  std::string cache;  ///< outcome: hit, miss, partial ...; empty: the cache was not asked
  std::string origin; ///< empty: none stood behind the answer
  std::string range, user_agent;
};

/// The line of an entry, with its line feed.
std::string render_access_line(const access_entry& entry);

/// One thread that writes entries from a bounded queue to a file or to standard error. `add` never waits: when
/// the queue is full the line is dropped and counted (forebay_access_log_dropped_total). Thread-safe.
class access_log {
public:
  /// `path` "stderr" is standard error. unreachable with the system's reason when the file cannot be opened.
  static result<std::unique_ptr<access_log>> open(std::string path, std::size_t queue_entries);
  ~access_log(); ///< writes what is queued

  void add(access_entry entry);
  /// Opens the file again before the next line (after logrotate moved it).
  void reopen() noexcept { reopen_.store(true, std::memory_order_relaxed); }
  const std::string& path() const noexcept { return path_; }

private:
  access_log(std::string path, int fd, std::size_t queue_entries);
  void work();
  void write_out(const std::vector<access_entry>& entries);

  std::string path_;
  int fd_;
  std::size_t queue_entries_;
  metrics::counter& dropped_;
  std::atomic<bool> reopen_{false};
  bool failing_ = false; ///< the writer's own: a failure is logged once, not for every line
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<access_entry> queue_;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace forebay::front
