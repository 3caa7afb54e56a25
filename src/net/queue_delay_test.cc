#include "net/queue_delay.h"

#include <gtest/gtest.h>

#include "net/loop.h"
#include "net/testing/waiting.h"

namespace forebay::net {
namespace {

using namespace std::chrono_literals;

constexpr auto target = 10ms;

class JudgeTest : public ::testing::Test {
protected:
  /// What is judged of a delay that lasts for `span`, at its end.
  pressure lasts(std::chrono::nanoseconds delay, std::chrono::milliseconds span) {
    pressure last = judge.judge(delay, now, target);
    for (auto left = span; left > 0ms; left -= 10ms) {
      now += 10ms;
      last = judge.judge(delay, now, target);
    }
    return last;
  }
  queue_judge judge;
  steady_time now = steady_time{} + 1h;
};

TEST_F(JudgeTest, ABurstIsNoOverload) {
  EXPECT_EQ(lasts(50ms, 10ms), pressure::none);
  EXPECT_EQ(lasts(1ms, 10ms), pressure::none);
  EXPECT_EQ(lasts(50ms, 10ms), pressure::none);
}

TEST_F(JudgeTest, WhatLastsIsOneAndComesBackSooner) {
  EXPECT_EQ(lasts(11ms, 20ms), pressure::all);
  EXPECT_EQ(lasts(1ms, 10ms), pressure::none);
  EXPECT_EQ(lasts(11ms, 0ms), pressure::all);
  EXPECT_EQ(lasts(6ms, 10ms), pressure::misses);
  EXPECT_EQ(lasts(1ms, 1'100ms), pressure::none);
  EXPECT_EQ(lasts(11ms, 0ms), pressure::none);
  EXPECT_EQ(lasts(6ms, 200ms), pressure::none);
}

TEST_F(JudgeTest, WithoutATargetThereIsNone) {
  for (int i = 0; i < 100; ++i) {
    now += 10ms;
    EXPECT_EQ(judge.judge(1h, now, 0ms), pressure::none);
  }
}

task<void> measure(std::atomic<int>* measured) {
  const queue_probe probe;
  // The first delay that is not zero has made the way through the kernel.
  while (queue_delay() == 0ns) co_await sleep_for(1ms);
  ++*measured;
}

TEST(QueueProbe, MeasuresItsLoopAndNoOther) {
  loop_group loops(1);
  loops.start();
  std::atomic<int> measured{0};
  run_blocking(loops.at(0), measure(&measured));
  EXPECT_EQ(measured, 1);
  EXPECT_EQ(queue_delay(), 0ns);
  EXPECT_EQ(queue_pressure(), pressure::none);
}

} // namespace
} // namespace forebay::net
