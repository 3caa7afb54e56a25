#include "base/metrics.h"

#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <variant>

#include "base/text.h"

namespace forebay::metrics {
namespace {

constexpr double micro = 1e6;

/// Names of families and labels: [a-zA-Z_][a-zA-Z0-9_]* (a colon belongs to recording rules, not to programs).
bool valid_name(std::string_view name) noexcept {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  for (const char c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fits) return false;
  }
  return true;
}

/// Escapes of the text format: backslash and line feed everywhere, the quote in label values.
std::string escape(std::string_view text, bool quotes) {
  std::string escaped;
  for (const char c : to_valid_utf8(text)) {
    if (c == '\\') {
      escaped += "\\\\";
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '"' && quotes) {
      escaped += "\\\"";
    } else {
      escaped.push_back(c);
    }
  }
  return escaped;
}

/// `a="x",b="y"`: the text of a series, and its key within the family.
std::string render_labels(labels with, bool as_other) {
  std::string text;
  for (const label& one : with) {
    if (!text.empty()) text.push_back(',');
    text += fmt::format("{}=\"{}\"", one.name, as_other ? "other" : escape(one.value, true));
  }
  return text;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

using callback = std::function<double()>;
using series = std::variant<std::unique_ptr<counter>, std::unique_ptr<gauge>, std::unique_ptr<histogram>, callback>;

struct family {
  std::string type;
  std::string help;
  std::map<std::string, series, std::less<>> members; ///< by rendered labels
};

void render_line(std::string& out, std::string_view name, std::string_view suffix, std::string_view label_text,
                 std::string_view extra, std::string_view value) {
  out += name;
  out += suffix;
  if (!label_text.empty() || !extra.empty()) {
    out.push_back('{');
    out += label_text;
    if (!label_text.empty() && !extra.empty()) out.push_back(',');
    out += extra;
    out.push_back('}');
  }
  out.push_back(' ');
  out += value;
  out.push_back('\n');
}

void render_histogram(std::string& out, std::string_view name, std::string_view label_text, const histogram& one) {
  const auto counts = one.cumulative();
  const auto bounds = one.upper_bounds();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
    render_line(out, name, "_bucket", label_text, fmt::format("le=\"{}\"", number(bound)),
                fmt::format("{}", counts[i]));
  }
  render_line(out, name, "_sum", label_text, {}, number(one.sum()));
  // The count of the same snapshot as the buckets: a scraper may assume that they agree.
  render_line(out, name, "_count", label_text, {}, fmt::format("{}", counts.back()));
}

void render_series(std::string& out, std::string_view name, std::string_view label_text, const series& one) {
  if (const auto* c = std::get_if<std::unique_ptr<counter>>(&one)) {
    render_line(out, name, {}, label_text, {}, fmt::format("{}", (*c)->value()));
  } else if (const auto* g = std::get_if<std::unique_ptr<gauge>>(&one)) {
    render_line(out, name, {}, label_text, {}, fmt::format("{}", (*g)->value()));
  } else if (const auto* h = std::get_if<std::unique_ptr<histogram>>(&one)) {
    render_histogram(out, name, label_text, **h);
  } else if (const auto& read = std::get<callback>(one)) {
    render_line(out, name, {}, label_text, {}, number(read()));
  }
}

} // namespace

histogram::histogram(std::span<const double> upper_bounds)
    : bounds_(upper_bounds.begin(), upper_bounds.end()),
      buckets_(new std::atomic<std::uint64_t>[upper_bounds.size() + 1]) {
  for (std::size_t i = 0; i <= bounds_.size(); ++i) buckets_[i].store(0, std::memory_order_relaxed);
  for (std::size_t i = 1; i < bounds_.size(); ++i) {
    if (!(bounds_[i - 1] < bounds_[i])) throw std::logic_error("histogram: bounds must grow");
  }
}

void histogram::observe(double value) noexcept {
  if (std::isnan(value)) return;
  std::size_t bucket = 0;
  while (bucket < bounds_.size() && value > bounds_[bucket]) ++bucket; // a dozen bounds: a scan beats a search
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  constexpr double most = 9e18; // what llround can give back
  const double millionths = value * micro;
  if (millionths > 0) {
    sum_micro_.fetch_add(static_cast<std::uint64_t>(std::llround(millionths < most ? millionths : most)),
                         std::memory_order_relaxed);
  }
}

std::vector<std::uint64_t> histogram::cumulative() const {
  std::vector<std::uint64_t> counts(bounds_.size() + 1);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += buckets_[i].load(std::memory_order_relaxed);
    counts[i] = total;
  }
  return counts;
}

std::uint64_t histogram::count() const noexcept {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) total += buckets_[i].load(std::memory_order_relaxed);
  return total;
}

double histogram::sum() const noexcept {
  return static_cast<double>(sum_micro_.load(std::memory_order_relaxed)) / micro;
}

std::span<const double> latency_bounds() noexcept {
  static constexpr std::array<double, 18> bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                 0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};
  return bounds;
}

struct registry::impl {
  mutable std::mutex lock;
  std::map<std::string, family, std::less<>> families;

  /// The family's member for `with`, "other" once the family is full. `lock` is held.
  series& find_or_add(std::string_view type, std::string_view name, std::string_view help, labels with,
                      const std::function<series()>& make);
};

series& registry::impl::find_or_add(std::string_view type, std::string_view name, std::string_view help, labels with,
                                    const std::function<series()>& make) {
  // These are mistakes of the program, found on its first start: the one place where metrics may throw.
  if (!valid_name(name)) throw std::logic_error(fmt::format("metric \"{}\": not a valid name", name));
  for (const label& one : with) {
    if (!valid_name(one.name) || one.name == "le") {
      throw std::logic_error(fmt::format("metric \"{}\": label \"{}\" is not a valid name", name, one.name));
    }
  }
  auto at = families.find(name);
  if (at == families.end()) {
    at = families.emplace(std::string(name), family{std::string(type), std::string(help), {}}).first;
  } else if (at->second.type != type) {
    throw std::logic_error(fmt::format("metric \"{}\": is a {}, asked for as a {}", name, at->second.type, type));
  }
  auto& members = at->second.members;
  std::string key = render_labels(with, false);
  auto member = members.find(key);
  if (member != members.end()) return member->second;
  if (members.size() >= series_limit && !with.empty()) {
    key = render_labels(with, true);
    member = members.find(key);
    if (member != members.end()) return member->second;
  }
  return members.emplace(std::move(key), make()).first->second;
}

registry::registry() : impl_(std::make_unique<impl>()) {}
registry::~registry() = default;

counter& registry::get_counter(std::string_view name, std::string_view help, labels with) {
  const std::lock_guard hold(impl_->lock);
  series& found = impl_->find_or_add("counter", name, help, with, [] { return std::make_unique<counter>(); });
  if (auto* one = std::get_if<std::unique_ptr<counter>>(&found)) return **one;
  throw std::logic_error(fmt::format("metric \"{}\": is a callback", name));
}

gauge& registry::get_gauge(std::string_view name, std::string_view help, labels with) {
  const std::lock_guard hold(impl_->lock);
  series& found = impl_->find_or_add("gauge", name, help, with, [] { return std::make_unique<gauge>(); });
  if (auto* one = std::get_if<std::unique_ptr<gauge>>(&found)) return **one;
  throw std::logic_error(fmt::format("metric \"{}\": is a callback", name));
}

histogram& registry::get_histogram(std::string_view name, std::string_view help, labels with,
                                   std::span<const double> bounds) {
  const std::lock_guard hold(impl_->lock);
  series& found =
      impl_->find_or_add("histogram", name, help, with, [bounds] { return std::make_unique<histogram>(bounds); });
  return *std::get<std::unique_ptr<histogram>>(found);
}

void registry::set_callback(std::string_view kind, std::string_view name, std::string_view help, labels with,
                            std::function<double()> read) {
  if (kind != "gauge" && kind != "counter") {
    throw std::logic_error(fmt::format("metric \"{}\": callback of kind \"{}\"", name, kind));
  }
  const std::lock_guard hold(impl_->lock);
  series& found = impl_->find_or_add(kind, name, help, with, [] { return callback(); });
  if (!std::holds_alternative<callback>(found)) {
    throw std::logic_error(fmt::format("metric \"{}\": is not a callback", name));
  }
  found = std::move(read);
}

std::string registry::render() const {
  const std::lock_guard hold(impl_->lock);
  std::string out;
  for (const auto& [name, one] : impl_->families) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escape(one.help, false), name, one.type);
    for (const auto& [label_text, member] : one.members) render_series(out, name, label_text, member);
  }
  return out;
}

std::vector<registry::family_info> registry::families() const {
  const std::lock_guard hold(impl_->lock);
  std::vector<family_info> rows;
  for (const auto& [name, one] : impl_->families) rows.push_back({name, one.type, one.help});
  return rows;
}

std::vector<registry::sample> registry::samples(std::string_view name) const {
  const std::lock_guard hold(impl_->lock);
  std::vector<sample> rows;
  const auto found = impl_->families.find(name);
  if (found == impl_->families.end()) return rows;
  for (const auto& [label_text, member] : found->second.members) {
    if (const auto* c = std::get_if<std::unique_ptr<counter>>(&member)) {
      rows.push_back({label_text, static_cast<double>((*c)->value())});
    } else if (const auto* g = std::get_if<std::unique_ptr<gauge>>(&member)) {
      rows.push_back({label_text, static_cast<double>((*g)->value())});
    } else if (const auto* read = std::get_if<callback>(&member); read != nullptr && *read) {
      rows.push_back({label_text, (*read)()});
    }
  }
  return rows;
}

registry& global() {
  static registry* const instance = new registry; // never destroyed: counters are used until the last thread ends
  return *instance;
}

} // namespace forebay::metrics
