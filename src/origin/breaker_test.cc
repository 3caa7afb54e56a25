#include "origin/breaker.h"

#include <gtest/gtest.h>

namespace forebay::origin {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<breaker> make(const fake_clock& time) { return std::make_shared<breaker>(3, 5000ms, time); }

void fail_once(breaker& of) {
  auto pass = of.enter();
  ASSERT_TRUE(pass);
  pass->failed();
}

TEST(Breaker, OpensAfterFailuresInARow) {
  fake_clock time;
  const auto of = make(time);
  fail_once(*of);
  fail_once(*of);
  of->enter()->succeeded();
  fail_once(*of);
  fail_once(*of);
  EXPECT_FALSE(of->is_open()) << "a success in between starts the count again";
  fail_once(*of);
  EXPECT_TRUE(of->is_open());
  EXPECT_FALSE(of->enter());
  EXPECT_EQ(of->closed_in(), 5000ms);
}

TEST(Breaker, LetsOneProbeThrough) {
  fake_clock time;
  const auto of = make(time);
  for (int i = 0; i < 3; ++i) fail_once(*of);
  time.advance(4999ms);
  EXPECT_FALSE(of->enter());
  time.advance(1ms);
  auto probe = of->enter();
  ASSERT_TRUE(probe);
  EXPECT_FALSE(of->enter()) << "only one probe at a time";
  probe->failed();
  EXPECT_FALSE(of->enter()) << "a failed probe opens it again";
  time.advance(5s);
  probe = of->enter();
  ASSERT_TRUE(probe);
  probe->succeeded();
  EXPECT_FALSE(of->is_open());
  EXPECT_TRUE(of->enter());
  EXPECT_TRUE(of->enter());
}

TEST(Breaker, AnAbandonedProbeMakesRoomForTheNext) {
  fake_clock time;
  const auto of = make(time);
  for (int i = 0; i < 3; ++i) fail_once(*of);
  time.advance(5s);
  {
    const auto probe = of->enter();
    ASSERT_TRUE(probe);
  }
  EXPECT_TRUE(of->is_open());
  EXPECT_TRUE(of->enter());
}

TEST(Breaker, LateSuccessesDoNotCloseIt) {
  fake_clock time;
  const auto of = make(time);
  auto early = of->enter();
  for (int i = 0; i < 3; ++i) fail_once(*of);
  early->succeeded();
  EXPECT_TRUE(of->is_open());
}

TEST(Breaker, SilentPassesChangeNothing) {
  fake_clock time;
  const auto of = make(time);
  fail_once(*of);
  fail_once(*of);
  { const auto silent = of->enter(); }
  EXPECT_FALSE(of->is_open());
  fail_once(*of);
  EXPECT_TRUE(of->is_open());
}

} // namespace
} // namespace forebay::origin
