#include "front/access_log.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <system_error>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "front/target.h"

namespace forebay::front {
namespace {

/// Longest text of foreign origin in a line; a target may be 8 KiB and a header 32 KiB.
constexpr std::size_t text_bytes_max = 2048;

std::string shown(std::string_view text) { return to_valid_utf8(text.substr(0, text_bytes_max)); }

std::string format_time(wall_time when) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(when);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (ms - seconds).count());
}

double seconds(std::chrono::nanoseconds span) {
  constexpr double microseconds_per_second = 1e6; // finer digits are noise
  return static_cast<double>(std::chrono::round<std::chrono::microseconds>(span).count()) / microseconds_per_second;
}

/// A file for appending, readable by its owner and group: addresses of readers are personal data.
int open_file(const std::string& path) {
  return path == "stderr" ? ::dup(STDERR_FILENO)
                          : ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

} // namespace

std::string render_access_line(const access_entry& entry) {
  nlohmann::ordered_json line;
  line["time"] = format_time(entry.when);
  line["id"] = shown(entry.id);
  line["client"] = entry.client;
  line["method"] = shown(entry.method);
  line["path"] = shown(mask_target(entry.target));
  line["status"] = entry.status;
  line["bytes"] = entry.sent_bytes;
  line["seconds"] = seconds(entry.total);
  line["first_byte"] = seconds(entry.first_byte);
  if (!entry.complete) line["broken"] = true;
  if (!entry.cache.empty()) line["cache"] = entry.cache;
  if (!entry.origin.empty()) line["origin"] = shown(entry.origin);
  if (!entry.range.empty()) line["range"] = shown(entry.range);
  if (!entry.user_agent.empty()) line["user_agent"] = shown(entry.user_agent);
  return line.dump() + "\n";
}

result<std::unique_ptr<access_log>> access_log::open(std::string path, std::size_t queue_entries) {
  const int fd = open_file(path);
  if (fd < 0) {
    return fail(error_kind::unreachable, "access log",
                "cannot open " + path + ": " + std::system_category().message(errno));
  }
  return std::unique_ptr<access_log>(new access_log(std::move(path), fd, queue_entries));
}

access_log::access_log(std::string path, int fd, std::size_t queue_entries)
    : path_(std::move(path)),
      fd_(fd),
      queue_entries_(queue_entries),
      dropped_(metrics::global().get_counter("forebay_access_log_dropped_total",
                                             "Lines of the access log that were lost because its queue was full or "
                                             "its file could not be written")),
      thread_([this] { work(); }) {}

access_log::~access_log() {
  {
    const std::lock_guard hold(mutex_);
    ending_ = true;
  }
  ready_.notify_one();
  thread_.join();
  ::close(fd_);
}

void access_log::add(access_entry entry) {
  {
    const std::lock_guard hold(mutex_);
    if (queue_.size() >= queue_entries_) {
      dropped_.add();
      return;
    }
    queue_.push_back(std::move(entry));
    if (queue_.size() != 1) return; // the writer has been woken already
  }
  ready_.notify_one();
}

void access_log::work() {
  std::vector<access_entry> taken;
  for (;;) {
    {
      std::unique_lock hold(mutex_);
      ready_.wait(hold, [this] { return ending_ || !queue_.empty(); });
      taken.swap(queue_);
      if (taken.empty() && ending_) return;
    }
    write_out(taken);
    taken.clear();
  }
}

void access_log::write_out(const std::vector<access_entry>& entries) {
  if (reopen_.exchange(false, std::memory_order_relaxed)) {
    const int fresh = open_file(path_);
    if (fresh >= 0) {
      ::close(fd_);
      fd_ = fresh;
    } else {
      log::warn("access log", "cannot open {} again: {}", path_, std::system_category().message(errno));
    }
  }
  std::string text;
  for (const access_entry& entry : entries) text += render_access_line(entry);
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t written = ::write(fd_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      if (!failing_) {
        log::warn("access log", "cannot write {}: {}", path_, std::system_category().message(errno));
      }
      failing_ = true;
      dropped_.add(static_cast<std::uint64_t>(std::count(left.begin(), left.end(), '\n')));
      return;
    }
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  failing_ = false;
}

} // namespace forebay::front
