// Which event loop serves a new connection.
#pragma once

#include <mutex>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "net/loop.h"

namespace forebay::app {

/// What one loop has to do.
struct loop_load {
  double busy = 0;     ///< share of the time lately, 0 to 1
  unsigned open = 0;   ///< connections
  unsigned recent = 0; ///< of them: begun since `busy` was measured
};

/// The loop for a connection that came to loop `here`: that one, unless another has clearly less to do. Each connection
/// is expected to do what the others do, those of before `busy` was measured; where nothing is known, that all together
/// keep the node busy.
unsigned choose_loop(unsigned here, std::span<const loop_load> loads) noexcept;

/// Spreads connections over loops: the kernel gives a new one to a loop by chance (SO_REUSEPORT), and a few of a fat
/// reader's may all come to the same. Thread-safe; outlives the connections.
class connection_spread {
public:
  explicit connection_spread(net::loop_group& loops);

  /// A connection's place on a loop; leaving it is destroying it.
  class place {
  public:
    place(connection_spread& of, unsigned loop) noexcept : of_(&of), loop_(loop) {}
    place(place&& other) noexcept : of_(std::exchange(other.of_, nullptr)), loop_(other.loop_) {}
    place& operator=(place&& other) noexcept {
      std::swap(of_, other.of_);
      std::swap(loop_, other.loop_);
      return *this;
    }
    ~place() {
      if (of_ != nullptr) of_->leave(loop_);
    }
    net::loop& loop() const noexcept { return of_->loops_.at(loop_); }

  private:
    connection_spread* of_;
    unsigned loop_;
  };
  /// For a connection that came to the current loop.
  place enter();

private:
  void leave(unsigned loop) noexcept;
  void measure(steady_time now);

  net::loop_group& loops_;
  std::mutex lock_;
  std::vector<loop_load> loads_;
  std::vector<std::chrono::nanoseconds> busy_; ///< of each loop, when it was measured
  steady_time measured_;
  std::vector<metrics::gauge*> open_;
  metrics::counter& handed_over_;
};

} // namespace forebay::app
