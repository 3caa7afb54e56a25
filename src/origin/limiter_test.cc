#include "origin/limiter.h"

#include <gtest/gtest.h>

#include "net/testing/waiting.h"

namespace forebay::origin {
namespace {

using namespace std::chrono_literals;
using net::testing::eventually;

/// Takes a permit, notes its turn, and keeps it until told.
net::task<void> take(std::shared_ptr<limiter> from, int number, std::vector<int>* order, std::mutex* guard,
                     std::shared_ptr<permit> keep, std::chrono::milliseconds within) {
  permit mine = co_await from->acquire(net::deadline::after(within));
  if (!mine) co_return;
  const std::lock_guard lock(*guard);
  order->push_back(number);
  *keep = std::move(mine);
}

class LimiterTest : public ::testing::Test {
protected:
  LimiterTest() : loops(2) { loops.start(); }
  ~LimiterTest() override { loops.stop(); }
  net::loop_group loops;
  std::vector<int> order;
  std::mutex guard;
};

TEST_F(LimiterTest, ServesInTheOrderOfArrivalOverAllLoops) {
  const auto of = std::make_shared<limiter>(2);
  std::vector<std::shared_ptr<permit>> kept;
  for (int i = 0; i < 10; ++i) {
    kept.push_back(std::make_shared<permit>());
    loops.at(static_cast<unsigned>(i) % 2).spawn(take(of, i, &order, &guard, kept.back(), 20s));
    const std::size_t arrived = static_cast<std::size_t>(i) + 1;
    eventually([&] { return of->in_use() + of->waiting() == arrived; });
  }
  EXPECT_EQ(of->in_use(), 2u);
  EXPECT_EQ(of->waiting(), 8u);
  for (std::size_t i = 0; i < 10; ++i) {
    const auto served = [&] {
      const std::lock_guard lock(guard);
      return order.size();
    };
    eventually([&] { return served() >= std::min<std::size_t>(i + 2, 10); });
    eventually([&] { return static_cast<bool>(*kept[i]); });
    kept[i]->give_back();
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(of->in_use(), 0u);
}

TEST_F(LimiterTest, NobodyOvertakesWhoWaits) {
  const auto of = std::make_shared<limiter>(1);
  const auto first = std::make_shared<permit>(), second = std::make_shared<permit>(),
             third = std::make_shared<permit>();
  net::run_blocking(loops.at(0), take(of, 1, &order, &guard, first, 1s));
  loops.at(0).spawn(take(of, 2, &order, &guard, second, 20s));
  eventually([&] { return of->waiting() == 1; });
  first->give_back(); // granted to the second at once, before its coroutine runs
  net::run_blocking(loops.at(1), take(of, 3, &order, &guard, third, 50ms));
  EXPECT_FALSE(*third);
  eventually([&] { return static_cast<bool>(*second); });
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(LimiterTest, WaitsEndAtTheirDeadline) {
  const auto of = std::make_shared<limiter>(1);
  const auto first = std::make_shared<permit>(), second = std::make_shared<permit>();
  net::run_blocking(loops.at(0), take(of, 1, &order, &guard, first, 1s));
  net::run_blocking(loops.at(1), take(of, 2, &order, &guard, second, 50ms));
  EXPECT_FALSE(*second);
  EXPECT_EQ(of->waiting(), 0u);
  first->give_back();
  EXPECT_EQ(of->in_use(), 0u);
}

TEST_F(LimiterTest, ARaisedLimitLetsWaitersIn) {
  const auto of = std::make_shared<limiter>(0);
  const auto only = std::make_shared<permit>();
  loops.at(0).spawn(take(of, 1, &order, &guard, only, 20s));
  eventually([&] { return of->waiting() == 1; });
  of->set_limit(1);
  eventually([&] {
    const std::lock_guard lock(guard);
    return static_cast<bool>(*only);
  });
}

TEST(Limiter, DestroyedWaitersLeaveTheQueue) {
  const auto of = std::make_shared<limiter>(1);
  std::vector<int> order;
  std::mutex guard;
  const auto held = std::make_shared<permit>(), never = std::make_shared<permit>();
  {
    net::loop_group loops(1);
    loops.start();
    net::run_blocking(loops.at(0), take(of, 1, &order, &guard, held, 1s));
    loops.at(0).spawn(take(of, 2, &order, &guard, never, 60s));
    eventually([&] { return of->waiting() == 1; });
    loops.stop();
  }
  EXPECT_EQ(of->waiting(), 0u);
  held->give_back();
  EXPECT_EQ(of->in_use(), 0u) << "a permit must not be granted to a coroutine that is gone";
}

} // namespace
} // namespace forebay::origin
