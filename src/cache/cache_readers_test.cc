// Readers in unusual circumstances: too many for one client, behind an origin that breaks off.
#include "cache/cache.h"

#include <algorithm>
#include <array>

#include "cache/cache_scene.h"
#include "cache/engine.h"

namespace forebay::cache {
namespace {

using net::testing::eventually;
using testing::cache_scene;
using testing::mib;

class cache_readers : public cache_scene {};

TEST_F(cache_readers, who_waits_for_the_clients_limit_pins_nothing) {
  cache_limits limits;
  limits.pinned_bytes_per_client = 1; // one slice at a time
  build(256 * mib, limits);
  origin->set([](auto& now) { now.length_bytes = mib; });
  read("held");
  read("wanted");
  eventually([&] { return cache->usage_now().fills == 0; });
  ASSERT_EQ(memory->usage_now().pinned_bytes, 0u);
  stalled slow;
  begin(slow, 0, "held");
  eventually([&] { return slow.first.load(); });
  background waiting;
  const auto& refused = cache_metrics().refused_pins;
  const auto before = refused.value();
  begin(waiting, 1, "wanted");
  eventually([&] { return refused.value() > before; });
  eventually([&] { return memory->usage_now().pinned_bytes == mib; });
  EXPECT_FALSE(waiting.ended);
  slow.leave();
  eventually([&] { return slow.left && waiting.ended; });
  EXPECT_TRUE(waiting.seen.right);
  EXPECT_EQ(waiting.seen.bytes, mib);
}

TEST_F(cache_readers, a_long_transfer_outlives_more_breaks_than_one) {
  origin->set([](auto& now) {
    now.length_bytes = 16 * mib;
    now.cut_after = 3 * mib;
  });
  auto seen = read("a");
  EXPECT_TRUE(seen.outcome) << seen.outcome.error().message();
  EXPECT_TRUE(seen.right);
  EXPECT_EQ(seen.bytes, 16 * mib);
  EXPECT_EQ(origin->bytes, 16 * mib);
  EXPECT_EQ(origin->requests, 6u);
}

TEST_F(cache_readers, stalled_readers_leave_room_for_those_who_read) {
  cache_limits limits;
  limits.fill_window_bytes = 6 * mib;
  build(16 * mib, limits); // blocks of 1 MiB
  origin->set([](auto& now) { now.length_bytes = 64 * mib; });
  std::array<stalled, 4> slow;
  for (std::size_t i = 0; i < slow.size(); ++i) {
    const auto before = origin->bytes.load();
    begin(slow[i], i % 2, "stalled" + std::to_string(i));
    eventually([&] { return slow[i].first && origin->bytes >= before + 6 * mib; });
  }
  auto seen = read("read", http::range_spec{0, 8 * mib - 1});
  EXPECT_TRUE(seen.outcome) << seen.outcome.error().message();
  EXPECT_TRUE(seen.right);
  EXPECT_EQ(seen.bytes, 8 * mib);
  for (auto& each : slow) each.leave();
  eventually([&] { return std::all_of(slow.begin(), slow.end(), [](const auto& each) { return each.left.load(); }); });
}

TEST_F(cache_readers, a_head_without_a_validator_does_not_keep_the_body_from_being_stored) {
  origin->set([](auto& now) {
    now.length_bytes = mib;
    now.validator = false;
  });
  struct ask {
    static net::task<void> head(content_cache* from, open_request asked, unsigned* status) {
      asked.head_only = true;
      auto open = co_await from->open(asked);
      if (open && open->passes()) *status = open->pass->head.status;
    }
  };
  lookup_report report;
  unsigned status = 0;
  net::run_blocking(loops->at(0), ask::head(cache.get(), wish("a", {}, report), &status));
  EXPECT_EQ(status, 200u);
  EXPECT_EQ(read("a").bytes, mib);
  EXPECT_TRUE(read("a").report.hit);
}

TEST_F(cache_readers, an_origin_without_ranges_is_asked_once_for_what_is_coming) {
  constexpr std::uint64_t length = 80 * mib;
  origin->set([](auto& now) {
    now.length_bytes = length;
    now.ranges = false;
  });
  auto far = read("a", http::range_spec{length - mib, length - 1});
  EXPECT_TRUE(far.outcome) << far.outcome.error().message();
  EXPECT_TRUE(far.right);
  auto near = read("a", http::range_spec{mib, 2 * mib});
  EXPECT_TRUE(near.right);
  EXPECT_EQ(origin->requests, 1u);
  EXPECT_EQ(origin->bytes, length);
}

TEST_F(cache_readers, a_report_of_a_second_try_says_nothing_of_the_first) {
  origin->set([](auto& now) { now.length_bytes = 1'000; });
  read("a");
  lookup_report report;
  reading seen;
  net::run_blocking(loops->at(0), read_into(cache.get(), wish("a", {}, report), &seen, UINT64_MAX, {}));
  EXPECT_TRUE(report.hit);
  net::run_blocking(loops->at(0), read_into(cache.get(), wish("b", {}, report), &seen, UINT64_MAX, {}));
  EXPECT_EQ(report.cache_status(), "forebay; fwd=uri-miss; fwd-status=200; ttl=60; stored");
  EXPECT_EQ(report.memory_bytes, 1'000u);
  EXPECT_EQ(report.origin_bytes, 1'000u);
}

TEST_F(cache_readers, what_a_reader_forbids_to_store_is_not_stored) {
  origin->set([](auto& now) { now.length_bytes = 100'000; });
  http::header_table no_store;
  no_store.add("Cache-Control", "no-store");
  const auto read_unstored = [&](std::optional<http::range_spec> range) {
    reading seen;
    auto asked = wish("a", range, seen.report);
    asked.fields = &no_store;
    net::run_blocking(loops->at(0), read_into(cache.get(), std::move(asked), &seen, UINT64_MAX, {}));
    EXPECT_TRUE(seen.outcome);
    EXPECT_TRUE(seen.right);
    return seen;
  };
  for (int i = 0; i < 2; ++i) {
    const auto seen = read_unstored({});
    EXPECT_EQ(seen.bytes, 100'000u);
    EXPECT_TRUE(seen.report.passed);
    EXPECT_FALSE(seen.report.stored);
  }
  EXPECT_EQ(origin->requests, 2u);
  EXPECT_FALSE(read("a").report.hit);
  EXPECT_EQ(origin->requests, 3u);
  EXPECT_TRUE(read_unstored(http::range_spec{10, 20'009}).report.hit) << "what is held may be used";
  EXPECT_EQ(origin->requests, 3u);
}

} // namespace
} // namespace forebay::cache
