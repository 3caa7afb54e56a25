#include "front/request_metrics.h"

#include <algorithm>
#include <cmath>
#include <mutex>

namespace forebay::front {
namespace {

constexpr double bytes_per_gb = 1e9; ///< price lists count decimal gigabytes
constexpr double picodollars_per_usd = 1e12;

constexpr std::array<std::string_view, 9> methods{"GET",  "HEAD",   "PROPFIND", "OPTIONS", "PUT",
                                                  "POST", "DELETE", "PATCH",    "other"};
constexpr std::array<std::string_view, 10> outcomes{"hit",  "miss",         "partial", "stale", "revalidated",
                                                    "pass", "negative_hit", "error",   "local", "other"};
constexpr std::array<std::string_view, 5> classes{"1xx", "2xx", "3xx", "4xx", "5xx"};

/// Where `word` is in `words`, whose last member takes what is not there.
template <std::size_t N>
std::size_t index_of(const std::array<std::string_view, N>& words, std::string_view word) {
  const auto found = std::find(words.begin(), words.end() - 1, word);
  return static_cast<std::size_t>(found - words.begin());
}

double seconds(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

} // namespace

std::uint64_t saved_picodollars(bytes_by_tier served, double egress_usd_per_gb) noexcept {
  if (!(egress_usd_per_gb > 0)) return 0;
  const double bytes = static_cast<double>(served.memory + served.disk + served.cold);
  return static_cast<std::uint64_t>(std::llround(bytes / bytes_per_gb * egress_usd_per_gb * picodollars_per_usd));
}

request_metrics::request_metrics(metrics::registry& in)
    : registry_(in),
      in_flight_(in.get_gauge("forebay_requests_in_flight", "Requests of the data listener being answered")),
      broken_(in.get_counter("forebay_broken_responses_total",
                             "Answers that ended before their length: the origin failed midway or the reader left")) {
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const std::array<metrics::label, 1> by{{{"outcome", outcomes[i]}}};
    first_byte_[i] =
        &in.get_histogram("forebay_first_byte_seconds",
                          "From the end of a request's head to the first byte of its answer, by outcome", by);
    total_[i] = &in.get_histogram("forebay_request_seconds",
                                  "From the end of a request's head to the last byte of its answer, by outcome", by);
  }
}

metrics::counter& request_metrics::requests(std::size_t method, std::size_t outcome, std::size_t status_class) {
  auto& slot = requests_[(method * outcome_count + outcome) * class_count + status_class];
  if (auto* known = slot.load(std::memory_order_acquire)) return *known;
  const std::array<metrics::label, 3> by{
      {{"outcome", outcomes[outcome]}, {"method", methods[method]}, {"status", classes[status_class]}}};
  auto& made = registry_.get_counter("forebay_requests_total",
                                     "Requests of the data listener by cache outcome, method and class of status", by);
  slot.store(&made, std::memory_order_release);
  return made;
}

request_metrics::namespace_series& request_metrics::series_of(std::string_view name_space) {
  {
    const std::shared_lock hold(lock_);
    if (const auto known = namespaces_.find(name_space); known != namespaces_.end()) return *known->second;
  }
  const std::unique_lock hold(lock_);
  // The registry's own limit would fold the tiers together as well; so the cap on namespaces is ours.
  const std::string label(namespaces_.size() < namespaces_max ? name_space : "other");
  auto& slot = namespaces_[label];
  const auto alias = [&]() -> namespace_series& { // so that the next request of it finds it under the shared lock
    return *namespaces_.emplace(std::string(name_space), slot).first->second;
  };
  if (slot == nullptr) {
    const auto bytes = [&](std::string_view tier) {
      const std::array<metrics::label, 2> by{{{"namespace", label}, {"tier", tier}}};
      return &registry_.get_counter("forebay_served_bytes_total",
                                    "Bytes of bodies by namespace and by where they came from: memory, disk, cold "
                                    "(tier) or origin",
                                    by);
    };
    const std::array<metrics::label, 1> by{{{"namespace", label}}};
    slot = std::make_shared<namespace_series>();
    slot->memory = bytes("memory");
    slot->disk = bytes("disk");
    slot->cold = bytes("cold");
    slot->origin = bytes("origin");
    slot->requests =
        &registry_.get_counter("forebay_namespace_requests_total", "Requests of the data listener by namespace", by);
    registry_.set_callback(
        "counter", "forebay_saved_usd_total",
        "US dollars of egress that bytes served from memory, disk and cold tier would have cost at their "
        "origin's price per GB",
        by, [series = slot] {
          return static_cast<double>(series->saved_picodollars.load(std::memory_order_relaxed)) / picodollars_per_usd;
        });
  }
  return alias();
}

void request_metrics::finished(const exchange& done) {
  in_flight_.add(-1);
  const std::size_t outcome = index_of(outcomes, done.outcome);
  const std::size_t status_class = std::clamp(done.status / 100, 1u, 5u) - 1;
  requests(index_of(methods, done.method), outcome, status_class).add();
  if (!done.complete) broken_.add();
  if (done.first_byte.count() > 0) first_byte_[outcome]->observe(seconds(done.first_byte));
  total_[outcome]->observe(seconds(done.total));
  if (done.name_space.empty()) return;
  namespace_series& series = series_of(done.name_space);
  series.requests->add();
  if (done.served.memory != 0) series.memory->add(done.served.memory);
  if (done.served.disk != 0) series.disk->add(done.served.disk);
  if (done.served.cold != 0) series.cold->add(done.served.cold);
  if (done.served.origin != 0) series.origin->add(done.served.origin);
  if (const auto saved = saved_picodollars(done.served, done.egress_usd_per_gb); saved != 0) {
    series.saved_picodollars.fetch_add(saved, std::memory_order_relaxed);
  }
}

void request_metrics::failed(error_kind kind) {
  auto& slot = errors_[static_cast<std::size_t>(kind)];
  auto* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    const std::array<metrics::label, 1> by{{{"kind", to_string(kind)}}};
    counter = &registry_.get_counter("forebay_errors_total", "Requests of the data listener that failed, by kind", by);
    slot.store(counter, std::memory_order_release);
  }
  counter->add();
}

} // namespace forebay::front
