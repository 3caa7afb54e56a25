#include "base/clock.h"

namespace forebay {
namespace {

class machine_clock final : public clock {
public:
  steady_time steady() const noexcept override { return std::chrono::steady_clock::now(); }
  wall_time wall() const noexcept override { return std::chrono::system_clock::now(); }
};

} // namespace

const clock& system_clock() noexcept {
  static const machine_clock instance;
  return instance;
}

steady_time fake_clock::steady() const noexcept {
  return steady_time(std::chrono::duration_cast<steady_time::duration>(
      std::chrono::nanoseconds(steady_ns_.load(std::memory_order_relaxed))));
}

wall_time fake_clock::wall() const noexcept {
  return wall_time(std::chrono::duration_cast<wall_time::duration>(
      std::chrono::nanoseconds(wall_ns_.load(std::memory_order_relaxed))));
}

void fake_clock::advance(std::chrono::nanoseconds by) noexcept {
  steady_ns_.fetch_add(by.count(), std::memory_order_relaxed);
  wall_ns_.fetch_add(by.count(), std::memory_order_relaxed);
}

void fake_clock::jump_wall(std::chrono::nanoseconds by) noexcept {
  wall_ns_.fetch_add(by.count(), std::memory_order_relaxed);
}

} // namespace forebay
