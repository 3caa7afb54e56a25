#include "cache/engine.h"

#include <algorithm>

#include "base/limit_counter.h"
#include "net/queue_delay.h"

namespace forebay::cache {
namespace {

metrics::counter& fill_counter(std::string_view result) {
  const metrics::label labels[] = {{"result", result}};
  return metrics::global().get_counter("forebay_fills_total", "Fills (transfers of missing ranges) by how they ended.",
                                       labels);
}

metrics::counter& plain(std::string_view name, std::string_view help) {
  return metrics::global().get_counter(name, help);
}

} // namespace

cache_metrics::cache_metrics()
    : fills_started(plain("forebay_fills_started_total", "Fills begun.")),
      fills_completed(fill_counter("completed")),
      fills_ended_early(fill_counter("ended_early")),
      fills_failed(fill_counter("failed")),
      fills_retried(plain("forebay_fills_retried_total", "Fills that took a second attempt after a failure.")),
      ahead_fills(plain("forebay_ahead_fills_total", "Fills begun ahead of a sequential reader.")),
      collapsed(plain("forebay_collapsed_requests_total", "Requests that waited for another request's exchange.")),
      contacts(plain("forebay_contacts_total", "First exchanges and revalidations of objects.")),
      revalidations(plain("forebay_revalidations_total", "Revalidations that found the object unchanged.")),
      changes(plain("forebay_version_changes_total", "Objects found changed at their origin.")),
      refused_fills(metrics::refused_by("fills")),
      refused_waiters(metrics::refused_by("waiters_per_object")),
      refused_pins(metrics::refused_by("pinned_bytes_per_client")),
      refused_pins_of_all(metrics::refused_by("pinned_bytes")),
      refused_followers(metrics::refused_by("followers_per_fill")),
      refused_unread(metrics::refused_by("unread_bytes_per_client")),
      refused_misses(metrics::refused_by("queue_delay_misses")),
      lower_failures(plain("forebay_disk_read_failures_total",
                           "Reads of the disk tier that failed or came too late: the origin was asked instead.")),
      disk_ahead_reads(plain("forebay_disk_ahead_reads_total",
                             "Reads of the disk tier begun while their reader still sends what is before them.")) {}

bool says_nothing_of_the_object(error_kind kind) noexcept {
  switch (kind) {
  case error_kind::unreachable:
  case error_kind::timeout:
  case error_kind::broken:
  case error_kind::throttled: return true;
  default: return false;
  }
}

pin_ledger::bounds engine::pin_bounds() const {
  const auto now = limits_now();
  const std::uint64_t half = memory.settings().capacity_bytes / 2;
  return {now->pinned_bytes_per_client, now->pinned_bytes == 0 ? half : now->pinned_bytes};
}

result<void> engine::check_fetch(const std::string& client) {
  if (net::queue_pressure({}) != net::pressure::none) {
    counts.refused_misses.add();
    return tl::unexpected(error{error_kind::exhausted, "node", "limits.queue_delay: only what is held is answered now",
                                true, 0, std::chrono::seconds(1)});
  }
  const auto wait = unread.refusal(client, limits_now()->unread_bytes_per_client, time.steady());
  if (!wait) return {};
  counts.refused_unread.add();
  return tl::unexpected(error{error_kind::exhausted, "client",
                              "limits.unread_bytes_per_client: this client asks for much more than it reads", true, 0,
                              *wait});
}

bool pin_ledger::fits(std::uint64_t held, std::uint64_t bytes, bounds limit) const noexcept {
  if (held == 0) return true;
  const bool scarce = total_ + bytes > limit.total_bytes;
  return held + bytes <= (scarce ? std::min(limit.client_bytes, scarce_bytes) : limit.client_bytes);
}

bool pin_ledger::is_scarce(std::uint64_t bytes, bounds limit) {
  const std::lock_guard lock(mutex_);
  return total_ + bytes > limit.total_bytes;
}

bool pin_ledger::charge(const std::string& client, std::uint64_t bytes, bounds limit) {
  const std::lock_guard lock(mutex_);
  std::uint64_t& held = held_[client];
  if (!fits(held, bytes, limit)) return false;
  held += bytes;
  total_ += bytes;
  return true;
}

void pin_ledger::charge_anyway(const std::string& client, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  held_[client] += bytes;
  total_ += bytes;
}

bool pin_ledger::has_room(const std::string& client, std::uint64_t bytes, bounds limit) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(client);
  return found == held_.end() || fits(found->second, bytes, limit);
}

void pin_ledger::release(const std::string& client, std::uint64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(client);
  if (found == held_.end()) return;
  total_ -= std::min(total_, std::min(bytes, found->second));
  if (found->second <= bytes) {
    held_.erase(found);
  } else {
    found->second -= bytes;
  }
}

} // namespace forebay::cache
