// What a loop does at a given moment. For net/ alone.
#pragma once

#include <array>
#include <boost/intrusive/set.hpp>
#include <chrono>
#include <cstdint>
#include <optional>

#include "net/wait.h"

namespace forebay::net {

/// A wait that ends within about a millisecond of its moment, where the sweep's `tick` is too coarse. Owner and thread
/// as with `timed_wait`; destroying it takes it out.
class precise_wait
    : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
  steady_time at{};
  virtual void fired() noexcept = 0;
  friend bool operator<(const precise_wait& a, const precise_wait& b) noexcept { return a.at < b.at; }

protected:
  ~precise_wait() = default;
};

/// Two of them: a hashed timing wheel for deadlines, of which nearly all are taken out before their moment, and an
/// ordered set for the few that must be precise. Loop thread only.
class deadlines {
public:
  deadlines() noexcept;
  ~deadlines();
  deadlines(const deadlines&) = delete;
  deadlines& operator=(const deadlines&) = delete;

  void arm(timed_wait& wait) noexcept;
  void disarm(timed_wait& wait) noexcept;
  void arm(precise_wait& wait) noexcept; ///< it may be armed already

  /// When `run` is due next; at the latest at the end of a tick.
  steady_time next() const noexcept;
  /// Ends what is over; how late that was, where a tick was due.
  std::optional<std::chrono::nanoseconds> run(steady_time now) noexcept;
  /// Lets go of all that waits: the loop ends.
  void abandon() noexcept;

private:
  // A wait sits in the slot of its tick; one that is further away than a turn stays where it is until its turn comes.
  static constexpr std::size_t slots = 512;
  timed_wait*& head_of(std::int64_t tick_number) noexcept {
    return heads_[static_cast<std::size_t>(tick_number) % slots];
  }
  void sweep(std::int64_t tick_number, steady_time now) noexcept;

  std::array<timed_wait*, slots> heads_{};
  std::int64_t done_tick_; ///< ticks are counted from the steady clock's epoch
  boost::intrusive::multiset<precise_wait, boost::intrusive::constant_time_size<false>> precise_;
};

} // namespace forebay::net
