// What requests did, as metrics: outcomes, bytes by tier, latencies, errors, money saved.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"

namespace forebay::front {

/// Bytes of bodies by where they came from.
struct bytes_by_tier {
  std::uint64_t memory = 0, disk = 0, cold = 0, origin = 0;
};

/// Millionths of a millionth of a US dollar: the smallest read from memory still counts, and 64 bits hold 18
/// million dollars.
std::uint64_t saved_picodollars(bytes_by_tier served, double egress_usd_per_gb) noexcept;

/// Series of the data listener. Thread-safe; what is needed for every request is an atomic to add to, found by
/// index. Label values come from fixed sets, and from the first `namespaces_max` namespaces.
class request_metrics {
public:
  static constexpr std::size_t namespaces_max = 49; ///< further namespaces are counted as "other"

  explicit request_metrics(metrics::registry& in = metrics::global());

  struct exchange {
    std::string_view method, outcome; ///< outcome: a word of lookup_report, or "local"
    std::string_view name_space;      ///< label of the namespace; empty: none
    unsigned status = 0;
    bool complete = true;
    bytes_by_tier served;
    double egress_usd_per_gb = 0;
    std::chrono::nanoseconds first_byte{}, total{};
  };
  void began() noexcept { in_flight_.add(1); }
  void finished(const exchange& done);
  void failed(error_kind kind);

private:
  static constexpr std::size_t method_count = 9, outcome_count = 10, class_count = 5;
  struct namespace_series {
    metrics::counter *memory, *disk, *cold, *origin, *requests;
    std::atomic<std::uint64_t> saved_picodollars{0};
  };
  namespace_series& series_of(std::string_view name_space);
  metrics::counter& requests(std::size_t method, std::size_t outcome, std::size_t status_class);

  metrics::registry& registry_;
  metrics::gauge& in_flight_;
  metrics::counter& broken_;
  std::array<std::atomic<metrics::counter*>, method_count * outcome_count * class_count> requests_{};
  std::array<std::atomic<metrics::counter*>, 16> errors_{};
  std::array<metrics::histogram*, outcome_count> first_byte_{}, total_{};
  std::shared_mutex lock_; ///< of the map alone; its members stay where they are
  std::map<std::string, std::shared_ptr<namespace_series>, std::less<>> namespaces_;
};

} // namespace forebay::front
