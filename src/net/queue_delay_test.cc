#include "net/queue_delay.h"

#include <ctime>
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

TEST_F(JudgeTest, WhatIsGivenUpKeepsTheOverloadInMind) {
  EXPECT_FALSE(judge.alert(now));
  EXPECT_EQ(lasts(11ms, 20ms), pressure::all);
  EXPECT_TRUE(judge.alert(now));
  now += 900ms;
  judge.goes_on(now); // the delay shows nothing of it, because so much is given up
  now += 900ms;
  EXPECT_TRUE(judge.alert(now));
  now += 200ms;
  EXPECT_FALSE(judge.alert(now));
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
  EXPECT_EQ(queue_pressure({}), pressure::none);
}

/// Keeps the processor.
void burn(std::chrono::nanoseconds span) {
  const auto used = [] {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  for (const auto until = used() + span; used() < until;) {}
}

struct shed_in_turn {
  bool overloaded = false;
  pressure first{}, later{}, late{}, next_turn = pressure::all;
};

task<void> overload(shed_in_turn* seen) {
  const queue_probe probe;
  for (const auto until = deadline::after(20s); queue_pressure({}) == pressure::none && !until.passed();) {
    burn(9ms);
    co_await sleep_for(std::chrono::milliseconds(0)); // a turn
  }
  seen->overloaded = queue_pressure({}) != pressure::none;
  // Until a measurement lies in the turn: they come each few milliseconds.
  for (const auto until = deadline::after(20s); seen->later != pressure::all && !until.passed();) {
    co_await sleep_for(std::chrono::milliseconds(0)); // a turn
    seen->first = queue_pressure({});
    burn(9ms);
    for (int requests = 0; requests < 20; ++requests) seen->later = queue_pressure({});
  }
  // The turn behind it, which may not be the next one of ours, finds what had to wait all the while.
  for (const auto until = deadline::after(20s); seen->late != pressure::all && !until.passed();) {
    burn(9ms);
    for (int requests = 0; requests < 20; ++requests) queue_pressure({});
    co_await sleep_for(std::chrono::milliseconds(0));
    seen->late = queue_pressure({});
  }
  for (const auto until = deadline::after(20s); seen->next_turn == pressure::all && !until.passed();) {
    co_await sleep_for(std::chrono::milliseconds(0));
    seen->next_turn = queue_pressure({});
  }
}

TEST(QueueProbe, UnderOverloadATurnBeginsAFewThingsAndGivesTheRestUp) {
  loop_group loops(1);
  loops.start();
  set_queue_delay_target(8ms);
  shed_in_turn seen;
  run_blocking(loops.at(0), overload(&seen));
  set_queue_delay_target(0ms);
  ASSERT_TRUE(seen.overloaded);
  EXPECT_NE(seen.first, pressure::all);
  EXPECT_EQ(seen.later, pressure::all);
  EXPECT_EQ(seen.late, pressure::all);
  EXPECT_NE(seen.next_turn, pressure::all);
}

} // namespace
} // namespace forebay::net
