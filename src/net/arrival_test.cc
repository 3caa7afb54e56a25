#include "net/arrival.h"

#include <gtest/gtest.h>

namespace forebay::net {
namespace {

using namespace std::chrono_literals;

class arrival_scene : public ::testing::Test {
protected:
  void SetUp() override {
    clock.of(today, today, now); // from here on it knows how far apart the clocks are
    pass(1s);
  }
  void pass(std::chrono::nanoseconds span) {
    now += span;
    today += span;
  }
  /// Whether what came so long ago, by the time of day, is said to have come then.
  bool is_told(std::chrono::nanoseconds age) { return clock.of(today - age, today, now) == now - age; }
  bool is_unknown(std::chrono::nanoseconds age) { return clock.of(today - age, today, now) == steady_time{}; }

  arrival_clock clock;
  steady_time now = steady_time{} + 1h;
  std::chrono::nanoseconds today = 500'000h;
};

TEST_F(arrival_scene, is_told_by_the_clock_of_the_loop) {
  EXPECT_TRUE(is_told(0ns));
  EXPECT_TRUE(is_told(300us));
  EXPECT_TRUE(is_told(900ms));
}

TEST_F(arrival_scene, what_came_before_the_first_look_or_after_the_last_is_not_known) {
  EXPECT_TRUE(is_unknown(2s));
  EXPECT_TRUE(is_unknown(-1ns));
  EXPECT_TRUE(is_unknown(-1h));
}

TEST_F(arrival_scene, what_lay_there_when_the_time_of_day_was_set_is_not_known) {
  for (const std::chrono::nanoseconds step : {std::chrono::nanoseconds(2h), std::chrono::nanoseconds(-2h),
                                              std::chrono::nanoseconds(50ms), std::chrono::nanoseconds(-50ms)}) {
    EXPECT_TRUE(is_told(10ms));
    pass(20ms);
    today += step;
    EXPECT_TRUE(is_unknown(10ms)) << step.count();        // stamped anew
    EXPECT_TRUE(is_unknown(step + 10ms)) << step.count(); // or by the clock of before
    pass(20ms);
    EXPECT_TRUE(is_told(10ms)) << step.count();
  }
}

TEST_F(arrival_scene, a_clock_that_is_adjusted_is_followed) {
  for (int i = 0; i < 100; ++i) {
    pass(100ms);
    today += 50us; // the kernel's limit, 500 ppm
    EXPECT_TRUE(is_told(100ms)) << i;
  }
}

} // namespace
} // namespace forebay::net
