// What a client made the node fetch and did not read.
#include <gtest/gtest.h>

#include "cache/cache_scene.h"
#include "cache/engine.h"
#include "cache/unread_ledger.h"

namespace forebay::cache {
namespace {

using namespace std::chrono_literals;
using net::testing::eventually;
using testing::cache_scene;
using testing::mib;

class UnreadLedger : public ::testing::Test {
protected:
  static constexpr std::uint64_t limit = 600;
  std::optional<std::chrono::seconds> refusal(const std::string& client) {
    return ledger.refusal(client, limit, time.steady());
  }
  void fetched(const std::string& client, std::uint64_t bytes) { ledger.fetched(client, bytes, limit, time.steady()); }
  unread_ledger ledger;
  fake_clock time;
};

TEST_F(UnreadLedger, ADebtBeyondTheLimitIsRefusedUntilItIsForgiven) {
  fetched("a", 599);
  EXPECT_FALSE(refusal("a"));
  fetched("a", 31);
  EXPECT_EQ(refusal("a"), 3s); // ten bytes a second are forgiven
  EXPECT_FALSE(refusal("b"));
  time.advance(4s);
  EXPECT_FALSE(refusal("a"));
}

TEST_F(UnreadLedger, WhatIsReadIsPaid) {
  fetched("a", 1'000);
  ledger.delivered("a", 500);
  EXPECT_FALSE(refusal("a"));
  ledger.delivered("a", 10'000);
  EXPECT_EQ(ledger.debtors(), 0u);
  fetched("a", 601); // nothing was saved up
  EXPECT_TRUE(refusal("a"));
  ledger.delivered("b", 10'000);
  EXPECT_TRUE(refusal("a"));
}

TEST_F(UnreadLedger, IsBounded) {
  for (std::size_t i = 0; i < 2 * unread_ledger::clients_limit; ++i) fetched(std::to_string(i), 1);
  EXPECT_LE(ledger.debtors(), unread_ledger::clients_limit);
  fetched("", 1'000'000);
  EXPECT_FALSE(refusal(""));
}

TEST(PinLedger, WhoHoldsLittleGoesOnWhenAllHoldMuch) {
  pin_ledger ledger;
  const pin_ledger::bounds limit{8 * mib, 10 * mib};
  EXPECT_TRUE(ledger.charge("a", 4 * mib, limit));
  EXPECT_TRUE(ledger.charge("a", 4 * mib, limit));
  EXPECT_FALSE(ledger.charge("a", 1, limit));
  EXPECT_TRUE(ledger.charge("b", 2 * mib, limit));
  EXPECT_FALSE(ledger.charge("b", mib, limit)); // within its own limit, but all are beyond theirs
  EXPECT_TRUE(ledger.charge("c", mib / 2, limit));
  EXPECT_TRUE(ledger.charge("c", mib / 2, limit));
  EXPECT_FALSE(ledger.charge("c", 1, limit));
  EXPECT_FALSE(ledger.has_room("b", mib, limit));
  ledger.release("a", 4 * mib);
  EXPECT_TRUE(ledger.charge("b", mib, limit));
}

class unread_scene : public cache_scene {};

/// RangeAmp: small requests that make the node fetch much, of clients that leave.
TEST_F(unread_scene, who_asks_and_leaves_stops_being_fetched_for) {
  cache_limits limits;
  limits.unread_bytes_per_client = 4 * mib;
  build(256 * mib, limits);
  origin->set([](auto& now) { now.length_bytes = 8 * mib; });
  stalled slow;
  begin(slow, 0, "left");
  eventually([&] { return slow.first && origin->bytes == 8 * mib; });
  slow.leave();
  eventually([&] { return slow.left && cache->usage_now().fills == 0; });

  const auto& refused = cache_metrics().refused_unread;
  const auto before = refused.value();
  const auto requests = origin->requests.load();
  for (const char* key : {"a", "b", "c"}) {
    const auto seen = read(key);
    ASSERT_FALSE(seen.outcome) << key;
    EXPECT_EQ(seen.outcome.error().kind, error_kind::exhausted);
    EXPECT_EQ(seen.outcome.error().source, "client");
    EXPECT_TRUE(seen.outcome.error().retry_after);
  }
  EXPECT_EQ(refused.value(), before + 3);
  EXPECT_EQ(origin->requests, requests);
  EXPECT_TRUE(read("left", http::range_spec{0, mib - 1}).outcome) << "what is held costs nothing";
  EXPECT_FALSE(read("a").outcome) << "a part of the debt is not all of it";
  time.advance(2min);
  EXPECT_TRUE(read("a").outcome);
}

TEST_F(unread_scene, who_reads_what_he_asks_for_owes_nothing) {
  cache_limits limits;
  limits.unread_bytes_per_client = 2 * mib;
  build(256 * mib, limits);
  origin->set([](auto& now) { now.length_bytes = 8 * mib; });
  for (int i = 0; i < 8; ++i) {
    const auto seen = read("object-" + std::to_string(i));
    ASSERT_TRUE(seen.outcome) << seen.outcome.error().message();
    EXPECT_EQ(seen.bytes, 8 * mib);
  }
}

TEST_F(unread_scene, followers_of_a_transfer_have_a_limit) {
  cache_limits limits;
  limits.followers_per_fill = 1;
  limits.fill_window_bytes = mib;
  build(256 * mib, limits);
  origin->set([](auto& now) { now.length_bytes = 64 * mib; });
  stalled first;
  begin(first, 0, "a");
  eventually([&] { return first.first.load(); });
  const auto seen = read("a");
  ASSERT_FALSE(seen.outcome);
  EXPECT_EQ(seen.outcome.error().kind, error_kind::exhausted);
  first.leave();
  eventually([&] { return first.left.load(); });
  EXPECT_TRUE(read("a").outcome);
}

} // namespace
} // namespace forebay::cache
