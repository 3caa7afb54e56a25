// How long work waits on a loop, and what to give up when that is too long (after CoDel, RFC 8289).
#pragma once

#include <chrono>
#include <memory>

#include "base/clock.h"

namespace forebay::net {

/// What an overloaded loop should not begin.
enum class pressure { none, misses, all };

/// Decides from delays. A short burst is no overload: pressure begins once the delay has been above the target for
/// twice as long as the target, and from then on, as long as it comes back, each time it is above. Misses, which cost
/// most, are given up from half of the target on. Pure; not thread-safe.
class queue_judge {
public:
  static constexpr std::chrono::milliseconds least_interval{5};
  static constexpr std::chrono::milliseconds memory{1'000}; ///< so long an overload is taken to come back

  /// `target` zero: there never is pressure.
  pressure judge(std::chrono::nanoseconds delay, steady_time now, std::chrono::nanoseconds target) noexcept;
  /// Whether overload was seen lately.
  bool alert(steady_time now) const noexcept { return now < alert_until_; }
  /// Something was given up: the overload lasts, though the delay shows it no more.
  void goes_on(steady_time now) noexcept { alert_until_ = now + memory; }

private:
  steady_time above_since_{}; ///< zero: not above
  steady_time alert_until_{};
};

/// Under overload: which requests came too long ago. None that was younger than the limit when its turn came waits for
/// more than that; older ones are given up, so that a pile which came while the machine was busy with others costs
/// refusals alone. Where a loop cannot even refuse all that is asked, everything is old: then what is nearly as young
/// as the youngest of late will do. Pure; not thread-safe.
class age_judge {
public:
  static constexpr std::chrono::milliseconds window{100}; ///< to have seen a young one in; a pile goes sooner

  bool is_late(std::chrono::nanoseconds age, steady_time now, std::chrono::nanoseconds limit) noexcept;

private:
  steady_time window_ends_{};
  std::chrono::nanoseconds youngest_{0}, youngest_before_{0}; ///< of this window, of that before it
};

struct probe_state; // of queue_delay.cc

/// Measures the delay of one loop: a descriptor of ours becomes ready now and then, and waits for its turn among the
/// sockets, in the kernel's queue and in ours. What counts is the processor time that the loop spends meanwhile: that a
/// machine is busy with others is no reason to refuse our readers. Made, used and destroyed on that loop, one for each.
class queue_probe {
public:
  queue_probe();
  ~queue_probe();
  queue_probe(const queue_probe&) = delete;
  queue_probe& operator=(const queue_probe&) = delete;

private:
  std::shared_ptr<probe_state> state_;
};

/// The longest that work may wait before something is given up (`limits.queue_delay`); zero: any time. Any thread.
void set_queue_delay_target(std::chrono::milliseconds target) noexcept;
/// The delay of this loop as it was measured last, or longer where a measurement is overdue; zero without a probe.
std::chrono::nanoseconds queue_delay() noexcept;
/// What this loop should not begin now, of a request that came at `arrived` (zero: not known). While an overload lasts,
/// each turn of the loop begins hits for an eighth of the target, and none that came more than half of the target ago,
/// so that none waits longer than that, the rest of one turn and its own; what else the turn finds is to be given up at
/// once, and cheaply.
pressure queue_pressure(steady_time arrived) noexcept;
/// An overload lasts: it is worth a little to know when requests came.
bool wants_arrivals() noexcept;

} // namespace forebay::net
