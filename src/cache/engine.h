// What objects, versions, fills and readers share. Internal to cache/.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/metrics.h"
#include "cache/cache.h"
#include "cache/cold/cold_tier.h"
#include "cache/unread_ledger.h"

namespace forebay::cache {

/// Failures that say something about a store and nothing about the object: the next origin of a namespace is tried
/// after them, and a cold tier that has many is left alone.
bool says_nothing_of_the_object(error_kind kind) noexcept;

/// Where an object can be read: a source and the words to ask it with.
struct binding {
  std::shared_ptr<origin::source> source;
  std::string key;
  std::string query;
  storage::tenant_id tenant = 0;
  origin::shown_token token{}; ///< of the reader in whose name it is asked
  std::string client{};        ///< of that reader: whom fetched bytes are charged to
};

/// Which of a namespace's keys an object that the operator keeps is.
struct kept_name {
  std::string space; ///< the namespace's label
  std::string key;
  friend bool operator==(const kept_name&, const kept_name&) = default;
};

/// Bytes that each client's slow connections keep pinned. Thread-safe.
class pin_ledger {
public:
  /// What a client may still hold once all hold too much together: those who hold little go on.
  static constexpr std::uint64_t scarce_bytes = 1u << 20;

  struct bounds {
    std::uint64_t client_bytes, total_bytes;
  };
  /// True, and charged, when the client stays within its limit (or has nothing pinned yet).
  bool charge(const std::string& client, std::uint64_t bytes, bounds limit);
  /// Charges bytes that the client has been given already, whatever its limit.
  void charge_anyway(const std::string& client, std::uint64_t bytes);
  /// Whether so many bytes more are too many for all clients together.
  bool is_scarce(std::uint64_t bytes, bounds limit);
  /// Whether `charge` would succeed at this moment.
  bool has_room(const std::string& client, std::uint64_t bytes, bounds limit);
  void release(const std::string& client, std::uint64_t bytes) noexcept;

private:
  bool fits(std::uint64_t held, std::uint64_t bytes, bounds limit) const noexcept;
  std::mutex mutex_;
  std::unordered_map<std::string, std::uint64_t> held_;
  std::uint64_t total_ = 0;
};

/// Counters of the cache, looked up once.
struct cache_metrics {
  cache_metrics();
  metrics::counter& fills_started;
  metrics::counter& fills_completed;
  metrics::counter& fills_ended_early;
  metrics::counter& fills_failed;
  metrics::counter& fills_retried;
  metrics::counter& ahead_fills;
  metrics::counter& collapsed;
  metrics::counter& contacts;
  metrics::counter& revalidations;
  metrics::counter& changes;
  metrics::counter& refused_fills;
  metrics::counter& refused_waiters;
  metrics::counter& refused_pins;
  metrics::counter& refused_pins_of_all;
  metrics::counter& refused_followers;
  metrics::counter& refused_unread;
  metrics::counter& refused_misses;
  metrics::counter& lower_failures;
  metrics::counter& disk_ahead_reads;
};

/// Thread-safe; lives as long as anything of the cache.
struct engine {
  engine(cache_limits with, storage::memory_tier& in_memory, storage::lower_tier* below, const clock& clock_used)
      : limits(std::make_shared<const cache_limits>(with)), memory(in_memory), lower(below), time(clock_used) {}

  std::shared_ptr<const cache_limits> limits_now() const { return std::atomic_load(&limits); }
  pin_ledger::bounds pin_bounds() const;
  /// Why nothing may be fetched for this client now: it left too much unread, or this loop is overloaded.
  result<void> check_fetch(const std::string& client);

  std::shared_ptr<const cache_limits> limits; ///< through limits_now alone
  storage::memory_tier& memory;
  storage::lower_tier* lower;
  cold::cold_tier* cold = nullptr; ///< set before the first object is opened; only with `lower`
  const clock& time;
  pin_ledger pins;
  unread_ledger unread;
  cache_metrics counts;
  std::atomic<std::size_t> active_fills{0}, followers{0}, waiters{0};
  std::atomic<std::uint64_t> disk_ahead_bytes{0}; ///< ordered from the disk before their readers came to them
};

} // namespace forebay::cache
