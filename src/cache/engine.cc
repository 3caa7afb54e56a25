#include "cache/engine.h"

namespace forebay::cache {
namespace {

metrics::counter& fill_counter(std::string_view result) {
  const metrics::label labels[] = {{"result", result}};
  return metrics::global().get_counter("forebay_fills_total", "Fills (transfers of missing ranges) by how they ended.",
                                       labels);
}

metrics::counter& refused_counter(std::string_view limit) {
  const metrics::label labels[] = {{"limit", limit}};
  return metrics::global().get_counter("forebay_limit_refused_total", "What a named limit refused or delayed.", labels);
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
      refused_fills(refused_counter("fills")),
      refused_waiters(refused_counter("waiters_per_object")),
      refused_pins(refused_counter("pinned_bytes_per_client")),
      lower_failures(plain("forebay_disk_read_failures_total",
                           "Reads of the disk tier that failed or came too late: the origin was asked instead.")) {}

bool says_nothing_of_the_object(error_kind kind) noexcept {
  switch (kind) {
  case error_kind::unreachable:
  case error_kind::timeout:
  case error_kind::broken:
  case error_kind::throttled: return true;
  default: return false;
  }
}

bool pin_ledger::charge(const std::string& client, std::uint64_t bytes, std::uint64_t limit_bytes) {
  const std::lock_guard lock(mutex_);
  std::uint64_t& held = held_[client];
  if (held != 0 && held + bytes > limit_bytes) return false;
  held += bytes;
  return true;
}

bool pin_ledger::has_room(const std::string& client, std::uint64_t bytes, std::uint64_t limit_bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(client);
  return found == held_.end() || found->second + bytes <= limit_bytes;
}

void pin_ledger::release(const std::string& client, std::uint64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(client);
  if (found == held_.end()) return;
  if (found->second <= bytes) {
    held_.erase(found);
  } else {
    found->second -= bytes;
  }
}

} // namespace forebay::cache
