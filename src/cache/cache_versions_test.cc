// Versions that come back, bodies that nothing tells apart, and purges in the middle of an exchange.
#include "cache/cache.h"

#include "cache/cache_scene.h"
#include "origin/checked_body.h"

namespace forebay::cache {
namespace {

using net::testing::eventually;
using testing::cache_scene;
using testing::mib;
using namespace std::chrono_literals;

class cache_versions : public cache_scene {};

TEST_F(cache_versions, a_version_that_comes_back_is_kept_again) {
  origin->set([](auto& now) { now.length_bytes = 4 * mib; });
  ASSERT_TRUE(read("a", http::range_spec{0, mib - 1}).outcome);
  origin->set([](auto& now) { now.version = 2; });
  EXPECT_EQ(read("a", http::range_spec{0, 2 * mib - 1}).outcome.error().kind, error_kind::changed);
  origin->set([](auto& now) { now.version = 1; }); // the other replica of a store, or an overwrite that was undone
  EXPECT_TRUE(read("a", http::range_spec{0, mib - 1}).outcome);
  auto rest = read("a", http::range_spec{2 * mib, 3 * mib - 1});
  EXPECT_TRUE(rest.outcome) << rest.outcome.error().message();
  EXPECT_TRUE(rest.right);
  EXPECT_TRUE(read("a", http::range_spec{0, mib - 1}).report.hit);
}

TEST_F(cache_versions, a_version_that_comes_back_while_it_is_read_is_not_made_twice) {
  cache_limits limits;
  limits.fill_window_bytes = mib;
  limits.reader_timeout = 2s; // of the reader who would wait for bytes that the other version's paused fill owes
  build(256 * mib, limits);
  origin->set([](auto& now) { now.length_bytes = 16 * mib; });
  stalled slow;
  begin(slow, 1, "a");
  eventually([&] { return slow.first && origin->bytes >= mib; });
  origin->set([](auto& now) { now.version = 2; });
  time.advance(61s);
  EXPECT_EQ(read("a", http::range_spec{0, 4095}, 2).bytes, 4096u);
  origin->set([](auto& now) { now.version = 1; });
  time.advance(61s);
  auto back = read("a");
  EXPECT_TRUE(back.outcome) << back.outcome.error().message();
  EXPECT_TRUE(back.right);
  slow.leave();
  eventually([&] { return slow.left.load(); });
}

TEST_F(cache_versions, without_a_validator_an_abandoned_read_does_not_spoil_the_object) {
  cache_limits limits;
  limits.fill_window_bytes = mib;
  for (const bool length_known : {true, false}) {
    build(256 * mib, limits);
    origin->set([&](auto& now) {
      now.length_bytes = 16 * mib;
      now.length_known = length_known;
      now.validator = false;
    });
    EXPECT_TRUE(read("a", {}, 1, 4096).outcome);
    eventually([&] { return cache->usage_now().fills == 0; });
    auto whole = read("a");
    EXPECT_TRUE(whole.outcome) << whole.outcome.error().message();
    EXPECT_TRUE(whole.right);
    EXPECT_EQ(whole.bytes, 16 * mib);
    EXPECT_TRUE(read("a").report.hit);
  }
}

TEST_F(cache_versions, without_a_validator_an_evicted_part_does_not_spoil_the_object) {
  build(16 * mib, {});
  origin->set([](auto& now) {
    now.length_bytes = 2 * mib;
    now.validator = false;
  });
  EXPECT_TRUE(read("a").outcome);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(read("other" + std::to_string(i)).outcome);
  auto again = read("a");
  EXPECT_TRUE(again.outcome) << again.outcome.error().message();
  EXPECT_TRUE(again.right);
  EXPECT_EQ(again.bytes, 2 * mib);
}

TEST_F(cache_versions, what_does_not_match_the_stores_checksum_is_not_kept) {
  origin->set([](auto& now) {
    now.length_bytes = 2 * mib;
    now.damaged = true;
  });
  const auto damaged = read("a");
  ASSERT_FALSE(damaged.outcome);
  EXPECT_TRUE(origin::is_checksum_mismatch(damaged.outcome.error())) << damaged.outcome.error().message();
  EXPECT_LT(damaged.bytes, 2 * mib) << "nobody gets the end of it";
  EXPECT_EQ(origin->requests, 1u) << "the rest is not asked for either: which bytes are wrong nobody knows";
  origin->set([](auto& now) { now.damaged = false; });
  const auto sound = read("a");
  EXPECT_TRUE(sound.outcome) << sound.outcome.error().message();
  EXPECT_TRUE(sound.right);
  EXPECT_EQ(sound.bytes, 2 * mib);
  EXPECT_EQ(origin->bytes, 4 * mib) << "all of it came again";
  EXPECT_TRUE(read("a").right);
  EXPECT_EQ(origin->requests, 2u);
}

TEST_F(cache_versions, a_304_that_names_another_version_is_not_ours) {
  origin->set([](auto& now) { now.length_bytes = mib; });
  read("a");
  origin->set([](auto& now) {
    now.version = 2;
    now.same_date = true;
  });
  time.advance(61s);
  auto again = read("a", {}, 2);
  EXPECT_TRUE(again.outcome) << again.outcome.error().message();
  EXPECT_TRUE(again.right);
  EXPECT_FALSE(again.report.revalidated);
  EXPECT_EQ(again.head->fields.get("etag"), "\"v2\"");
}

TEST_F(cache_versions, a_readers_cookie_is_not_stored) {
  origin::read_answer answer;
  answer.fields.add("Set-Cookie", "JSESSIONID=secret");
  answer.fields.add("ETag", "\"a\"");
  const auto stored = make_stored_head(answer, time.steady());
  EXPECT_FALSE(stored.fields.has("set-cookie"));
  EXPECT_TRUE(stored.fields.has("etag"));
  EXPECT_FALSE(refreshed_head(stored, answer, time.steady()).fields.has("set-cookie"));
}

TEST_F(cache_versions, who_asks_after_a_purge_does_not_get_what_was_asked_before) {
  origin->set([](auto& now) {
    now.length_bytes = mib;
    now.answers_wait = true;
  });
  background before, after;
  begin(before, 0, "a");
  eventually([&] { return origin->requests == 1; });
  origin->set([](auto& now) { now.version = 2; });
  EXPECT_TRUE(wait(cache->purge_object({space, "a", ""})));
  after.seen.version = 2;
  begin(after, 1, "a");
  eventually([&] { return origin->requests == 2 || cache->usage_now().waiters == 2; });
  origin->set([](auto& now) { now.answers_wait = false; });
  eventually([&] { return before.ended && after.ended; });
  EXPECT_TRUE(before.seen.right);
  EXPECT_TRUE(after.seen.right);
  EXPECT_EQ(after.seen.bytes, mib);
  auto later = read("a", {}, 2);
  EXPECT_TRUE(later.right);
  EXPECT_TRUE(later.report.hit);
}

TEST_F(cache_versions, a_neighbour_does_not_wait_for_the_end_of_a_first_exchange) {
  origin->set([](auto& now) {
    now.length_bytes = 16 * mib;
    now.gate_at = 4096;
  });
  background first;
  begin(first, 0, "a", http::range_spec{0, mib - 1});
  eventually([&] { return origin->at_gate > 0; });
  background second;
  begin(second, 1, "a", http::range_spec{mib, 2 * mib - 1});
  eventually([&] { return origin->requests == 2; });
  origin->set([](auto& now) { now.gate_at = UINT64_MAX; });
  eventually([&] { return first.ended && second.ended; });
  EXPECT_TRUE(first.seen.right);
  EXPECT_TRUE(second.seen.right);
  EXPECT_EQ(origin->bytes, 2 * mib);
}

TEST_F(cache_versions, a_range_beyond_the_end_of_what_passes_is_unsatisfiable) {
  origin->set([](auto& now) {
    now.length_bytes = 4'500;
    now.validator = false;
  });
  for (const std::uint64_t from : {5'000, 50'000}) { // in the grain that is asked for, and beyond it
    auto seen = read("a" + std::to_string(from), http::range_spec{from, from + 99});
    ASSERT_FALSE(seen.outcome) << from;
    EXPECT_EQ(seen.outcome.error().kind, error_kind::range_unsatisfiable);
  }
}

} // namespace
} // namespace forebay::cache
