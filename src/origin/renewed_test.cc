#include "origin/renewed.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "net/loop.h"
#include "net/testing/waiting.h"

namespace forebay::origin {
namespace {

using namespace std::chrono_literals;
using token = renewed<std::string>;

/// A token service that answers what it is told, when it is told.
struct service {
  fake_clock time;
  std::atomic<unsigned> asked{0};
  std::atomic<bool> fails{false};
  std::chrono::seconds life{3600};
  net::event* hold = nullptr; ///< the fetch waits for it

  static net::task<result<issued<std::string>>> answer(service* self) {
    const unsigned turn = ++self->asked;
    if (self->hold != nullptr) {
      const bool told = co_await self->hold->wait(net::deadline::after(60s));
      EXPECT_TRUE(told);
    }
    if (self->fails) co_return fail(error_kind::unreachable, "service", "it is away", true);
    issued<std::string> out;
    out.value = "token-" + std::to_string(turn);
    out.expires = self->time.wall() + self->life;
    co_return out;
  }
  token make() {
    return token(
        "credentials of x", [this](net::deadline) { return answer(this); }, {}, time);
  }
};

class RenewedTest : public ::testing::Test {
protected:
  RenewedTest() { loops_.start(); }
  ~RenewedTest() override { loops_.stop(); }
  result<token::pointer> get(const token& from, unsigned loop = 0) {
    return net::testing::outcome_of(loops_.at(loop), from.get(net::deadline::after(60s)));
  }
  std::string text(const token& from) {
    const auto got = get(from);
    return got ? **got : "failed: " + got.error().message();
  }
  void settle() { net::testing::take_turns(loops_, 3); }

  net::loop_group loops_{2};
  service service_;
};

TEST_F(RenewedTest, OneFetchServesUntilItIsTime) {
  const token mine = service_.make();
  EXPECT_EQ(text(mine), "token-1");
  service_.time.advance(3600s - 301s);
  EXPECT_EQ(text(mine), "token-1");
  EXPECT_EQ(service_.asked, 1u);
}

TEST_F(RenewedTest, IsRenewedAheadOfItsEndWhileTheOldOneServes) {
  const token mine = service_.make();
  text(mine);
  service_.time.advance(3600s - 299s);
  EXPECT_EQ(text(mine), "token-1") << "nobody waits for the renewal";
  net::testing::eventually([&] { return service_.asked == 2u; });
  settle();
  EXPECT_EQ(text(mine), "token-2");
}

TEST_F(RenewedTest, AShortLivedValueIsNotRenewedAtOnce) {
  service_.life = 60s;
  const token mine = service_.make();
  EXPECT_EQ(text(mine), "token-1");
  service_.time.advance(29s);
  EXPECT_EQ(text(mine), "token-1");
  settle();
  EXPECT_EQ(service_.asked, 1u) << "less than half of its life has passed";
}

TEST_F(RenewedTest, ManyOnSeveralLoopsWaitForOneFetch) {
  const token mine = service_.make();
  struct waiter {
    static net::task<> run(token from, std::atomic<unsigned>* served) {
      const auto got = co_await from.get(net::deadline::after(60s));
      if (got && **got == "token-1") ++*served;
    }
  };
  net::event* hold = nullptr;
  struct maker {
    static net::task<> run(net::event** into) {
      *into = new net::event;
      co_return;
    }
  };
  net::run_blocking(loops_.at(0), maker::run(&hold));
  const std::unique_ptr<net::event> owned(hold);
  service_.hold = hold;
  std::atomic<unsigned> served{0};
  // The fetch runs where the first asked; its event belongs to that loop.
  loops_.at(0).spawn(waiter::run(mine, &served));
  net::testing::eventually([&] { return service_.asked == 1u; });
  for (unsigned i = 0; i < 20; ++i) {
    net::loop& at = loops_.at(i % 2);
    at.post([&at, &mine, &served] { at.spawn(waiter::run(mine, &served)); });
  }
  settle();
  EXPECT_EQ(served, 0u);
  hold->notify();
  net::testing::eventually([&] { return served == 21u; });
  EXPECT_EQ(service_.asked, 1u);
}

TEST_F(RenewedTest, TheOldOneServesWhileRenewalFails) {
  const token mine = service_.make();
  text(mine);
  service_.fails = true;
  service_.time.advance(3600s - 200s);
  EXPECT_EQ(text(mine), "token-1");
  net::testing::eventually([&] { return service_.asked == 2u; });
  settle();
  EXPECT_EQ(text(mine), "token-1");
  settle();
  EXPECT_EQ(service_.asked, 2u) << "the service is left alone for the pause";
  service_.time.advance(195s); // less than last_use is left
  const auto got = get(mine);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, error_kind::unreachable);
  EXPECT_EQ(service_.asked, 3u);
}

TEST_F(RenewedTest, FailuresArePacedAndTold) {
  const token mine = service_.make();
  service_.fails = true;
  EXPECT_FALSE(get(mine));
  const auto again = get(mine);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().context, "it is away");
  EXPECT_FALSE(again.error().retryable);
  EXPECT_GE(*again.error().retry_after, 1s);
  EXPECT_EQ(service_.asked, 1u);
  service_.time.advance(1s);
  EXPECT_FALSE(get(mine));
  service_.time.advance(1s);
  EXPECT_FALSE(get(mine));
  EXPECT_EQ(service_.asked, 2u) << "the pause has doubled";
  service_.fails = false;
  service_.time.advance(1s);
  EXPECT_EQ(text(mine), "token-3");
}

TEST_F(RenewedTest, ARefusedValueIsFetchedAgainOnce) {
  const token mine = service_.make();
  const auto first = get(mine);
  EXPECT_TRUE(mine.refused(*first));
  EXPECT_TRUE(mine.refused(*first)) << "many readers learn of one refusal";
  const auto second = get(mine);
  EXPECT_EQ(**second, "token-2");
  EXPECT_TRUE(mine.refused(*first)) << "it has been replaced: try again with the new one";
  EXPECT_FALSE(mine.refused(*second)) << "no storm of renewals against a store that refuses them all";
  EXPECT_EQ(text(mine), "token-2");
  service_.time.advance(30s);
  EXPECT_TRUE(mine.refused(*second));
  EXPECT_EQ(text(mine), "token-3");
  EXPECT_EQ(service_.asked, 3u);
}

TEST_F(RenewedTest, ARefusedValueDoesNotServeWhenItsRenewalFails) {
  const token mine = service_.make();
  const auto first = get(mine);
  service_.fails = true;
  EXPECT_TRUE(mine.refused(*first));
  EXPECT_FALSE(get(mine));
}

TEST_F(RenewedTest, AValueThatHasExpiredByOurClockIsShownAndNotFetchedForEachRead) {
  service_.life = 0s;
  const token mine = service_.make();
  EXPECT_EQ(text(mine), "token-1");
  EXPECT_EQ(text(mine), "token-1");
  EXPECT_EQ(service_.asked, 1u);
  service_.time.advance(1s);
  EXPECT_EQ(text(mine), "token-2");
}

} // namespace
} // namespace forebay::origin
