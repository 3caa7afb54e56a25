#include "app/connection_spread.h"

#include <algorithm>
#include <fmt/format.h>

namespace forebay::app {
namespace {

/// How often it is looked at what the loops have to do.
constexpr std::chrono::milliseconds measure_every{100};
/// By so much of a loop's time another must have less to do: to hand a connection over costs a few microseconds.
constexpr double margin = 1.0 / 32;

} // namespace

unsigned choose_loop(unsigned here, std::span<const loop_load> loads) noexcept {
  double busy = 0;
  unsigned open = 0, recent = 0;
  for (const loop_load& each : loads) {
    busy += each.busy;
    open += each.open;
    recent += each.recent;
  }
  const double of_one = open > recent ? busy / (open - recent) : 0;
  const auto expected = [&](const loop_load& each) {
    return each.busy + each.recent * of_one + static_cast<double>(each.open) / (open + 1);
  };
  const auto least = std::min_element(
      loads.begin(), loads.end(), [&](const loop_load& a, const loop_load& b) { return expected(a) < expected(b); });
  const bool clearly = expected(loads[here]) - expected(*least) > margin;
  return clearly ? static_cast<unsigned>(least - loads.begin()) : here;
}

connection_spread::connection_spread(net::loop_group& loops)
    : loops_(loops),
      loads_(loops.size()),
      busy_(loops.size()),
      measured_(std::chrono::steady_clock::now()),
      handed_over_(metrics::global().get_counter(
          "forebay_connections_handed_over_total",
          "Connections that the kernel gave to one event loop and that another, with less to do, serves")) {
  for (unsigned i = 0; i < loops.size(); ++i) {
    const std::string number = fmt::format("{}", i);
    const metrics::label by[] = {{"loop", number}};
    open_.push_back(&metrics::global().get_gauge("forebay_loop_connections", "Open connections of an event loop", by));
  }
}

void connection_spread::measure(steady_time now) {
  const double passed = std::chrono::duration<double>(now - measured_).count();
  for (unsigned i = 0; i < loads_.size(); ++i) {
    const auto busy = loops_.at(i).busy_time(now);
    loads_[i].busy = std::clamp(std::chrono::duration<double>(busy - busy_[i]).count() / passed, 0.0, 1.0);
    loads_[i].recent = 0;
    busy_[i] = busy;
  }
  measured_ = now;
}

connection_spread::place connection_spread::enter() {
  const unsigned here = net::loop::current().index();
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard hold(lock_);
  if (now - measured_ >= measure_every) measure(now);
  const unsigned chosen = choose_loop(here, loads_);
  ++loads_[chosen].open;
  ++loads_[chosen].recent;
  open_[chosen]->add(1);
  if (chosen != here) handed_over_.add();
  return {*this, chosen};
}

void connection_spread::leave(unsigned loop) noexcept {
  const std::lock_guard hold(lock_);
  loop_load& load = loads_[loop];
  --load.open;
  load.recent = std::min(load.recent, load.open);
  open_[loop]->add(-1);
}

} // namespace forebay::app
