// The content cache over a memory tier and an origin that the test directs.
#include "cache/cache.h"

#include "cache/cache_scene.h"

namespace forebay::cache {
namespace {

using net::testing::eventually;
using testing::cache_scene;
using testing::mib;
using namespace std::chrono_literals;

TEST_F(cache_scene, second_read_takes_no_origin_byte) {
  origin->set([](auto& now) { now.length_bytes = 3 * mib + 17; });
  const auto first = read("a");
  ASSERT_TRUE(first.outcome) << first.outcome.error().message();
  EXPECT_TRUE(first.right);
  EXPECT_EQ(first.bytes, 3 * mib + 17);
  EXPECT_EQ(first.report.cache_status(), "forebay; fwd=uri-miss; fwd-status=200; ttl=60; stored");
  const auto second = read("a");
  EXPECT_TRUE(second.right);
  EXPECT_EQ(second.bytes, 3 * mib + 17);
  EXPECT_TRUE(second.report.hit);
  EXPECT_EQ(second.report.memory_bytes, 3 * mib + 17);
  EXPECT_EQ(origin->requests, 1u);
  EXPECT_EQ(origin->bytes, 3 * mib + 17);
}

TEST_F(cache_scene, fifty_readers_of_one_cold_object_cost_it_once) {
  constexpr std::uint64_t length = 64 * mib;
  origin->set([](auto& now) { now.length_bytes = length; });
  std::vector<std::unique_ptr<reading>> seen;
  std::atomic<unsigned> ended{0};
  for (unsigned i = 0; i < 50; ++i) {
    seen.push_back(std::make_unique<reading>());
    const bool ranged = i % 3 == 1;
    const std::uint64_t from = (i * 1'234'567ull) % (length - 5 * mib);
    std::optional<http::range_spec> range;
    if (ranged) range = http::range_spec{from, from + 4 * mib};
    const std::uint64_t leave = i % 5 == 2 ? 300'000 + i * 1000 : UINT64_MAX;
    auto asked = wish("big", range, seen.back()->report);
    struct run {
      static net::task<void> one(content_cache* from, open_request asked, reading* into, std::uint64_t leave,
                                 unsigned number, std::atomic<unsigned>* ended) {
        co_await net::sleep_for(std::chrono::milliseconds(number * 2)); // staggered
        co_await read_into(from, asked, into, leave, {});               // its frame is gone when the end is counted
        ++*ended;
      }
    };
    loops->at(i % 2).spawn(run::one(cache.get(), asked, seen.back().get(), leave, i, &ended));
    if (i == 0) eventually([&] { return origin->requests >= 1; }); // who reads all of it comes first
  }
  eventually([&] { return ended == 50; });
  for (const auto& each : seen) {
    EXPECT_TRUE(each->outcome) << each->outcome.error().message();
    EXPECT_TRUE(each->right);
  }
  EXPECT_EQ(origin->bytes, length);
  // One, unless the machine is so slow that the transfer, a window ahead, finds itself alone for a second.
  EXPECT_LE(origin->requests, 8u);
}

TEST_F(cache_scene, late_reader_gets_its_first_byte_before_the_fill_ends) {
  origin->set([](auto& now) {
    now.length_bytes = 8 * mib;
    now.gate_at = 2 * mib;
  });
  reading first, late;
  std::atomic<std::uint64_t> late_bytes{0};
  std::atomic<unsigned> ended{0};
  struct run { // counts its end when its frame, and with it the body, is gone
    static net::task<void> one(content_cache* from, open_request asked, reading* into,
                               std::function<void(std::uint64_t)> on_bytes, std::atomic<unsigned>* ended) {
      co_await read_into(from, asked, into, UINT64_MAX, on_bytes);
      ++*ended;
    }
  };
  loops->at(0).spawn(run::one(cache.get(), wish("a", {}, first.report), &first, {}, &ended));
  eventually([&] { return origin->at_gate > 0; });
  loops->at(1).spawn(run::one(
      cache.get(), wish("a", {}, late.report), &late, [&](std::uint64_t bytes) { late_bytes = bytes; }, &ended));
  eventually([&] { return late_bytes == 2 * mib; });
  EXPECT_EQ(origin->bytes, 2 * mib);
  origin->set([](auto& now) { now.gate_at = UINT64_MAX; });
  eventually([&] { return ended == 2; });
  EXPECT_TRUE(late.right);
  EXPECT_EQ(origin->requests, 1u);
}

TEST_F(cache_scene, ranges_store_what_was_fetched_and_combine) {
  origin->set([](auto& now) { now.length_bytes = 10 * mib; });
  auto one = read("a", http::range_spec{5'000, 9'000});
  EXPECT_TRUE(one.right);
  EXPECT_EQ(one.bytes, 4'001u);
  EXPECT_EQ(origin->bytes, 8'192u); // grains [4096, 12288)
  auto inside = read("a", http::range_spec{4'096, 12'287});
  EXPECT_TRUE(inside.right);
  EXPECT_TRUE(inside.report.hit);
  auto wider = read("a", http::range_spec{0, 20'479});
  EXPECT_TRUE(wider.right);
  EXPECT_EQ(wider.report.forwarded, forward_reason::partial);
  EXPECT_EQ(origin->bytes, 20'480u);
  auto suffix = read("a", http::range_spec{std::nullopt, 100});
  EXPECT_TRUE(suffix.right);
  EXPECT_EQ(suffix.bytes, 100u);
  auto all = read("a");
  EXPECT_TRUE(all.right);
  EXPECT_EQ(all.bytes, 10 * mib);
  EXPECT_EQ(origin->bytes, 10 * mib);
}

TEST_F(cache_scene, a_cold_suffix_is_kept) {
  origin->set([](auto& now) { now.length_bytes = 10 * mib + 5; });
  auto suffix = read("a", http::range_spec{std::nullopt, 1'000});
  EXPECT_TRUE(suffix.right);
  EXPECT_EQ(suffix.bytes, 1'000u);
  const auto requests = origin->requests.load();
  auto again = read("a", http::range_spec{std::nullopt, 1'000});
  EXPECT_TRUE(again.right);
  EXPECT_EQ(origin->requests, requests);
}

TEST_F(cache_scene, a_change_under_a_reader_is_an_error_and_never_spliced) {
  origin->set([](auto& now) { now.length_bytes = 4 * mib; });
  auto first = read("a", http::range_spec{0, mib - 1});
  EXPECT_TRUE(first.right);
  origin->set([](auto& now) { now.version = 2; });
  auto second = read("a", http::range_spec{0, 2 * mib - 1}); // half of it is held, half is to come
  ASSERT_FALSE(second.outcome);
  EXPECT_EQ(second.outcome.error().kind, error_kind::changed);
  EXPECT_TRUE(second.right);
  auto third = read("a", {}, 2); // asked again: the new version, whole
  EXPECT_TRUE(third.outcome);
  EXPECT_TRUE(third.right);
  EXPECT_EQ(third.bytes, 4 * mib);
}

TEST_F(cache_scene, revalidation_keeps_the_bytes_when_nothing_changed) {
  origin->set([](auto& now) { now.length_bytes = mib; });
  read("a");
  time.advance(61s);
  auto again = read("a");
  EXPECT_TRUE(again.right);
  EXPECT_TRUE(again.report.revalidated);
  EXPECT_EQ(origin->requests, 2u);
  EXPECT_EQ(origin->bytes, mib);
  auto third = read("a");
  EXPECT_TRUE(third.report.hit);
}

TEST_F(cache_scene, revalidation_of_a_changed_object_gives_the_new_one) {
  origin->set([](auto& now) { now.length_bytes = mib; });
  read("a");
  origin->set([](auto& now) {
    now.version = 2;
    now.length_bytes = 2 * mib;
  });
  time.advance(61s);
  auto again = read("a", {}, 2);
  EXPECT_TRUE(again.right);
  EXPECT_EQ(again.bytes, 2 * mib);
  EXPECT_EQ(origin->requests, 2u);
}

TEST_F(cache_scene, stale_answers_when_the_origin_is_dead_but_never_404) {
  origin->set([](auto& now) { now.length_bytes = mib; });
  read("a");
  origin->set([](auto& now) { now.failing = error{error_kind::unreachable, "fake", "refused", true, 0, {}}; });
  time.advance(10min);
  auto stale = read("a");
  EXPECT_TRUE(stale.outcome);
  EXPECT_TRUE(stale.right);
  EXPECT_TRUE(stale.report.stale);
  auto unknown = read("b");
  ASSERT_FALSE(unknown.outcome);
  EXPECT_EQ(unknown.outcome.error().kind, error_kind::unreachable);
  time.advance(2h); // beyond stale_if_error
  auto too_old = read("a");
  ASSERT_FALSE(too_old.outcome);
  EXPECT_EQ(too_old.outcome.error().kind, error_kind::unreachable);
}

TEST_F(cache_scene, not_found_is_remembered_for_a_short_time) {
  origin->set([](auto& now) { now.missing = true; });
  auto first = read("a");
  EXPECT_EQ(first.outcome.error().kind, error_kind::not_found);
  EXPECT_EQ(first.report.cache_status(), "forebay; fwd=uri-miss; fwd-status=404");
  auto second = read("a");
  EXPECT_EQ(second.outcome.error().kind, error_kind::not_found);
  EXPECT_TRUE(second.report.negative);
  EXPECT_EQ(second.report.cache_status(), "forebay; hit");
  EXPECT_EQ(origin->requests, 1u);
  origin->set([](auto& now) {
    now.missing = false;
    now.length_bytes = 10;
  });
  time.advance(6s);
  EXPECT_EQ(read("a").bytes, 10u);
}

TEST_F(cache_scene, uncacheable_answers_pass_and_do_not_queue) {
  origin->set([](auto& now) {
    now.length_bytes = 100'000;
    now.cache_control = "no-store";
  });
  for (int i = 0; i < 3; ++i) {
    auto seen = read("a", http::range_spec{10, 20'009});
    EXPECT_TRUE(seen.outcome);
    EXPECT_EQ(seen.bytes, 20'000u);
    EXPECT_TRUE(seen.report.passed);
    EXPECT_EQ(seen.report.detail, i == 0 ? "uncacheable" : "hit-for-miss");
  }
  EXPECT_EQ(origin->requests, 3u);
}

TEST_F(cache_scene, a_broken_transfer_is_taken_up_once_where_it_broke) {
  origin->set([](auto& now) {
    now.length_bytes = 4 * mib;
    now.cut_at = mib;
    now.cuts = 1;
  });
  auto seen = read("a");
  EXPECT_TRUE(seen.outcome) << seen.outcome.error().message();
  EXPECT_TRUE(seen.right);
  EXPECT_EQ(seen.bytes, 4 * mib);
  EXPECT_EQ(origin->requests, 2u);
  EXPECT_EQ(origin->bytes, 4 * mib);
}

TEST_F(cache_scene, a_transfer_that_keeps_breaking_is_an_error) {
  origin->set([](auto& now) {
    now.length_bytes = 4 * mib;
    now.cut_at = mib;
    now.cuts = 100;
  });
  auto seen = read("a");
  ASSERT_FALSE(seen.outcome);
  EXPECT_EQ(seen.bytes, mib);
  EXPECT_TRUE(seen.right);
}

TEST_F(cache_scene, an_origin_that_breaks_off_within_a_grain_is_an_error_and_no_loop) {
  origin->set([](auto& now) {
    now.length_bytes = 4 * mib;
    now.cut_after = 1'000;
  });
  auto seen = read("a");
  ASSERT_FALSE(seen.outcome);
  EXPECT_TRUE(seen.right);
  EXPECT_LE(origin->requests, 4u);
}

TEST_F(cache_scene, without_a_validator_a_broken_body_is_dropped_and_ranges_pass) {
  origin->set([](auto& now) {
    now.length_bytes = 2 * mib;
    now.validator = false;
    now.cut_at = mib;
    now.cuts = 1;
  });
  auto broken = read("a");
  ASSERT_FALSE(broken.outcome);
  auto whole = read("a");
  EXPECT_TRUE(whole.outcome);
  EXPECT_TRUE(whole.right);
  EXPECT_EQ(whole.bytes, 2 * mib);
  auto held = read("a");
  EXPECT_TRUE(held.report.hit);
  for (int i = 0; i < 2; ++i) {
    auto range = read("b", http::range_spec{10, 19});
    EXPECT_EQ(range.bytes, 10u);
    EXPECT_TRUE(range.report.passed);
    EXPECT_EQ(range.report.detail, "no-validator");
  }
}

TEST_F(cache_scene, unknown_length_is_streamed_and_kept) {
  origin->set([](auto& now) {
    now.length_bytes = mib + 3;
    now.length_known = false;
  });
  auto first = read("a");
  EXPECT_TRUE(first.outcome);
  EXPECT_TRUE(first.right);
  EXPECT_EQ(first.bytes, mib + 3);
  auto second = read("a");
  EXPECT_TRUE(second.right);
  EXPECT_EQ(second.bytes, mib + 3);
  eventually([&] { return cache->usage_now().fills == 0; });
  auto range = read("a", http::range_spec{mib, std::nullopt}); // the length is known by now
  EXPECT_TRUE(range.right);
  EXPECT_EQ(range.bytes, 3u);
  EXPECT_EQ(origin->requests, 1u);
}

TEST_F(cache_scene, a_body_of_unknown_length_takes_room_as_it_comes) {
  origin->set([](auto& now) {
    now.length_bytes = 8 * mib;
    now.length_known = false;
    now.gate_at = 10'000;
  });
  background reading;
  begin(reading, 0, "a");
  eventually([&] { return origin->at_gate > 0; });
  EXPECT_LE(memory->usage_now().page_bytes, mib / 8) << "it may be over now";
  origin->set([](auto& now) { now.gate_at = UINT64_MAX; });
  eventually([&] { return reading.ended.load(); });
  EXPECT_TRUE(reading.seen.right);
  EXPECT_EQ(reading.seen.bytes, 8 * mib);
  EXPECT_LE(memory->usage_now().blocks, 14u);
}

TEST_F(cache_scene, empty_objects_are_objects) {
  origin->set([](auto& now) { now.length_bytes = 0; });
  auto seen = read("a");
  EXPECT_TRUE(seen.outcome);
  EXPECT_EQ(seen.bytes, 0u);
  EXPECT_TRUE(read("a").report.hit);
}

TEST_F(cache_scene, purge_forgets_objects_prefixes_and_tags) {
  origin->set([](auto& now) { now.length_bytes = 1'000; });
  read("x/a");
  read("x/b");
  read("y/c");
  EXPECT_EQ(wait(cache->purge_object({space, "x/a", ""})), 1u);
  read("x/a");
  EXPECT_EQ(origin->requests, 4u);
  EXPECT_EQ(wait(cache->purge_prefix(space, "x/")), 2u);
  EXPECT_TRUE(read("y/c").report.hit);
  EXPECT_FALSE(read("x/b").report.hit);
}

TEST_F(cache_scene, a_fill_runs_at_most_a_window_ahead_of_a_stalled_reader) {
  cache_limits limits;
  limits.fill_window_bytes = 2 * mib;
  build(256 * mib, limits);
  origin->set([](auto& now) { now.length_bytes = 64 * mib; });
  stalled slow;
  begin(slow, 0, "a");
  eventually([&] { return slow.first.load(); });
  eventually([&] { return origin->bytes >= 2 * mib; });
  net::testing::take_turns(*loops, 256); // each would bring some more
  EXPECT_LE(origin->bytes, 3 * mib);
  slow.leave();
  eventually([&] { return slow.left.load(); });
  eventually([&] { return cache->usage_now().fills == 0; });
  EXPECT_LE(origin->bytes, 3 * mib) << "an abandoned read must not pull the whole object";
}

TEST_F(cache_scene, bytes_that_are_there_at_once_leave_turns_for_the_reader) {
  origin->set([](auto& now) {
    now.length_bytes = 8 * mib;
    now.at_once = true;
  });
  std::uint64_t ahead_first = 0, ahead_most = 0;
  reading seen;
  const auto look = [&](std::uint64_t read_bytes) {
    const std::uint64_t ahead = origin->bytes - read_bytes;
    if (read_bytes <= mib / 4) ahead_first = std::max(ahead_first, ahead);
    ahead_most = std::max(ahead_most, ahead);
  };
  net::run_blocking(loops->at(0), read_into(cache.get(), wish("a", {}, seen.report), &seen, UINT64_MAX, look));
  EXPECT_TRUE(seen.right);
  EXPECT_EQ(seen.bytes, 8 * mib);
  EXPECT_LE(ahead_first, mib / 2) << "the first byte waited for a window";
  EXPECT_LE(ahead_most, mib);
}

TEST_F(cache_scene, sequential_small_ranges_need_few_requests_and_no_byte_twice) {
  constexpr std::uint64_t length = 192 * mib, step = 128 * 1024;
  build(1024 * mib, {});
  origin->set([](auto& now) { now.length_bytes = length; });
  for (std::uint64_t at = 0; at < length; at += step) {
    auto seen = read("a", http::range_spec{at, at + step - 1});
    ASSERT_TRUE(seen.outcome) << seen.outcome.error().message();
    ASSERT_TRUE(seen.right);
  }
  eventually([&] { return cache->usage_now().fills == 0; });
  EXPECT_EQ(origin->bytes, length);
  EXPECT_LE(origin->requests, 30u);
}

TEST_F(cache_scene, sparse_random_reads_fetch_little_more_than_was_asked) {
  origin->set([](auto& now) { now.length_bytes = 1024 * mib; });
  std::uint64_t seed = 42, wanted = 0;
  for (int i = 0; i < 200; ++i) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    const std::uint64_t at = (seed >> 20) % (1023 * mib);
    auto seen = read("a", http::range_spec{at, at + 65'535});
    ASSERT_TRUE(seen.right);
    wanted += 65'536;
  }
  eventually([&] { return cache->usage_now().fills == 0; });
  EXPECT_LE(static_cast<double>(origin->bytes), 1.13 * static_cast<double>(wanted));
}

TEST_F(cache_scene, a_reader_slower_than_eviction_fetches_again_and_sees_right_bytes) {
  build(16 * mib, {});
  origin->set([](auto& now) { now.length_bytes = 64 * mib; });
  auto first = read("a");
  EXPECT_TRUE(first.right);
  auto second = read("a"); // the front of it was evicted by its end
  EXPECT_TRUE(second.outcome) << second.outcome.error().message();
  EXPECT_TRUE(second.right);
  EXPECT_EQ(second.bytes, 64 * mib);
}

} // namespace
} // namespace forebay::cache
