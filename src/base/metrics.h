// Counters, gauges and histograms in Prometheus' text format.
//
// A family is registered once, by name, with its help text; the reference page of metrics is generated
// from the same registry. Series are handed out as references that live as long as the process, so the
// hot path adds to an atomic and looks nothing up.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace forebay::metrics {

/// Monotonic sum. Thread-safe; relaxed: a scrape may be a moment behind.
class counter {
public:
  void add(std::uint64_t by = 1) noexcept { value_.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
  alignas(64) std::atomic<std::uint64_t> value_{0}; // a line of its own: cores must not share it by accident
};

/// A value that goes both ways. Thread-safe.
class gauge {
public:
  void add(std::int64_t by) noexcept { value_.fetch_add(by, std::memory_order_relaxed); }
  void set(std::int64_t to) noexcept { value_.store(to, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
  alignas(64) std::atomic<std::int64_t> value_{0};
};

/// Observations in fixed buckets (seconds unless the name says otherwise). Thread-safe.
class histogram {
public:
  explicit histogram(std::span<const double> upper_bounds);
  void observe(double value) noexcept;
  std::uint64_t count() const noexcept;
  double sum() const noexcept;
  /// Cumulative counts per bound, the last is +Inf.
  std::vector<std::uint64_t> cumulative() const;
  std::span<const double> upper_bounds() const noexcept { return bounds_; }

private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> buckets_;
  std::atomic<std::uint64_t> sum_micro_{0}; // sum in millionths: exact adds without a CAS loop on a double
};

/// Latency buckets in seconds, 100 us to 60 s.
std::span<const double> latency_bounds() noexcept;

struct label {
  std::string_view name;
  std::string_view value;
};
using labels = std::span<const label>;

/// The process's families and series. Thread-safe. Series of one family beyond `series_limit` all land in
/// one series whose label values are "other", so that foreign input cannot grow the registry. Asking for a family
/// by a bad name, or as another type than before, is a mistake of the program: std::logic_error.
class registry {
public:
  static constexpr std::size_t series_limit = 200;

  registry();
  ~registry();
  registry(const registry&) = delete;
  registry& operator=(const registry&) = delete;

  counter& get_counter(std::string_view name, std::string_view help, labels with = {});
  gauge& get_gauge(std::string_view name, std::string_view help, labels with = {});
  histogram& get_histogram(std::string_view name, std::string_view help, labels with = {},
                           std::span<const double> bounds = latency_bounds());
  /// A gauge or counter whose value is asked for at scrape time (`kind` is "gauge" or "counter"). Replaces the
  /// series' earlier callback; an empty one hides the series. `read` runs under the registry's lock: it must be
  /// quick and must not call the registry; once set_callback returns, the earlier one runs no more.
  void set_callback(std::string_view kind, std::string_view name, std::string_view help, labels with,
                    std::function<double()> read);

  /// Prometheus text format 0.0.4.
  std::string render() const;
  /// One row a family: name, type, help (for the generated reference).
  struct family_info {
    std::string name, type, help;
  };
  std::vector<family_info> families() const;

  /// The series of one family of counters or gauges as they stand (status pages); empty for an unknown name.
  struct sample {
    std::string labels; ///< `a="x",b="y"`, escaped as in the text format
    double value;
  };
  std::vector<sample> samples(std::string_view name) const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// The registry of the process.
registry& global();

} // namespace forebay::metrics
