#include "net/queue_delay.h"

#include <gtest/gtest.h>

#include "net/loop.h"
#include "net/testing/burning.h"
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

class AgeTest : public ::testing::Test {
protected:
  /// Requests of this age come for `span`; how many of a hundred are late.
  int late_of_hundred(std::chrono::nanoseconds age, std::chrono::milliseconds span) {
    int late = 0;
    for (int i = 0; i < 100; ++i) {
      now += std::chrono::nanoseconds(span) / 100;
      late += judge.is_late(age, now, limit) ? 1 : 0;
    }
    return late;
  }
  static constexpr std::chrono::nanoseconds limit = 500us;
  age_judge judge;
  steady_time now = steady_time{} + 1h;
};

TEST_F(AgeTest, WhatIsOldIsLateAndNothingElse) {
  EXPECT_EQ(late_of_hundred(400us, 1'000ms), 0);
  EXPECT_EQ(late_of_hundred(600us, 50ms), 100);
  EXPECT_EQ(late_of_hundred(500us, 50ms), 0);
}

TEST_F(AgeTest, APileIsLateToItsEndWheneverItCame) {
  EXPECT_EQ(late_of_hundred(20ms, 90ms), 100);
  now += 1h;
  EXPECT_EQ(late_of_hundred(20ms, 90ms), 100);
  EXPECT_EQ(late_of_hundred(100us, 10ms), 0);
  EXPECT_EQ(late_of_hundred(20ms, 90ms), 100);
}

TEST_F(AgeTest, WhereAllIsOldTheYoungestWillDo) {
  EXPECT_EQ(late_of_hundred(20ms, 100ms), 100);
  EXPECT_EQ(late_of_hundred(20ms, 1'000ms), 0) << "nobody would be answered";
  EXPECT_EQ(late_of_hundred(21ms, 50ms), 100);
  EXPECT_EQ(late_of_hundred(100us, 1ms), 0);
  EXPECT_EQ(late_of_hundred(20ms, 50ms), 100) << "it has become better";
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

struct shed_in_turn {
  bool overloaded = false;
  pressure old_when_calm = pressure::all, first{}, later{}, young = pressure::all, old{};
};

task<void> overload(shed_in_turn* seen) {
  const queue_probe probe;
  seen->old_when_calm = queue_pressure(std::chrono::steady_clock::now() - 1min);
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
  // What came just now is begun by a turn that has begun nothing yet; what came before that is not.
  for (const auto until = deadline::after(20s); seen->young == pressure::all && !until.passed();) {
    co_await sleep_for(std::chrono::milliseconds(0));
    seen->old = queue_pressure(std::chrono::steady_clock::now() - 1min);
    seen->young = queue_pressure(std::chrono::steady_clock::now());
  }
}

TEST(QueueProbe, UnderOverloadATurnBeginsAFewThingsAndGivesTheRestUp) {
  loop_group loops(1);
  loops.start();
  set_queue_delay_target(8ms);
  shed_in_turn seen;
  run_blocking(loops.at(0), overload(&seen));
  set_queue_delay_target(0ms);
  EXPECT_EQ(seen.old_when_calm, pressure::none);
  ASSERT_TRUE(seen.overloaded);
  EXPECT_NE(seen.first, pressure::all);
  EXPECT_EQ(seen.later, pressure::all);
  EXPECT_EQ(seen.old, pressure::all);
  EXPECT_NE(seen.young, pressure::all);
}

} // namespace
} // namespace forebay::net
