#include "cache/freshness.h"

#include <gtest/gtest.h>

namespace forebay::cache {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

stored_head head_with(std::initializer_list<std::pair<std::string_view, std::string_view>> fields,
                      unsigned status = 200) {
  origin::read_answer answer;
  answer.status = status;
  answer.pinned = {origin::validator_kind::strong_etag, "\"v\""};
  answer.requested = answer.received = wall_time(1'700'000'000s);
  for (const auto& [name, value] : fields) answer.fields.add(name, value);
  return make_stored_head(answer, steady_time(1'000s));
}

TEST(freshness, lifetime_follows_the_order_of_the_standard) {
  const space::freshness_policy none;
  EXPECT_EQ(freshness_lifetime(head_with({{"Cache-Control", "max-age=10, s-maxage=20"}}), none, "k"), 20s);
  EXPECT_EQ(freshness_lifetime(head_with({{"Cache-Control", "max-age=10"}, {"Expires", "0"}}), none, "k"), 10s);
  EXPECT_EQ(freshness_lifetime(head_with({{"Expires", "0"}}), none, "k"), 0s);
  EXPECT_EQ(freshness_lifetime(
                head_with({{"Date", "Tue, 14 Nov 2023 22:00:00 GMT"}, {"Expires", "Tue, 14 Nov 2023 23:00:00 GMT"}}),
                none, "k"),
            3600s);
  EXPECT_EQ(freshness_lifetime(head_with({{"Cache-Control", "no-cache"}}), none, "k"), 0s);
}

TEST(freshness, heuristic_is_a_tenth_and_at_most_a_day) {
  const space::freshness_policy none;
  EXPECT_EQ(freshness_lifetime(head_with({{"Date", "Tue, 14 Nov 2023 22:00:00 GMT"},
                                          {"Last-Modified", "Tue, 14 Nov 2023 12:00:00 GMT"}}),
                               none, "k"),
            3600s);
  EXPECT_EQ(freshness_lifetime(head_with({{"Date", "Tue, 14 Nov 2023 22:00:00 GMT"},
                                          {"Last-Modified", "Mon, 14 Nov 2011 12:00:00 GMT"}}),
                               none, "k"),
            86'400s);
  EXPECT_EQ(freshness_lifetime(head_with({{"Date", "Tue, 14 Nov 2023 22:00:00 GMT"},
                                          {"Last-Modified", "Tue, 14 Nov 2023 21:59:59 GMT"}}),
                               none, "k"),
            5s);
  EXPECT_EQ(freshness_lifetime(head_with({}), none, "k"), 5s);
  auto unpinned = head_with({});
  unpinned.pinned = {};
  EXPECT_EQ(freshness_lifetime(unpinned, none, "k"), 0s);
}

TEST(freshness, the_namespace_may_overrule_the_origin) {
  space::freshness_policy policy;
  policy.ttl = 30s;
  policy.immutable = {"*.zarr/**/[0-9]*"};
  EXPECT_EQ(freshness_lifetime(head_with({{"Cache-Control", "max-age=10"}}), policy, "a.nc"), 30s);
  EXPECT_GT(freshness_lifetime(head_with({{"Cache-Control", "max-age=10"}}), policy, "era.zarr/t2m/0.0.0"), 24h);
  EXPECT_EQ(freshness_lifetime(head_with({}), policy, "era.zarr/.zmetadata"), 30s);
}

TEST(freshness, what_may_be_stored) {
  EXPECT_TRUE(storable(head_with({}), {}));
  EXPECT_FALSE(storable(head_with({{"Cache-Control", "no-store"}}), {}));
  EXPECT_FALSE(storable(head_with({{"Cache-Control", "private"}}), {}));
  EXPECT_FALSE(storable(head_with({{"Cache-Control", "private=\"x-user\", max-age=60"}}), {}));
  EXPECT_FALSE(storable(head_with({{"Vary", "Accept, *"}}), {}));
  EXPECT_FALSE(storable(head_with({}, 302), {}));
  EXPECT_TRUE(storable(head_with({{"Cache-Control", "max-age=5"}}, 302), {}));
  space::freshness_policy shared;
  shared.share_private = true;
  EXPECT_TRUE(storable(head_with({{"Cache-Control", "private, max-age=60"}}), shared));
  EXPECT_FALSE(storable(head_with({{"Cache-Control", "private, no-store"}}), shared));
}

TEST(freshness, directives_of_both_sides) {
  const space::freshness_policy none;
  const auto stored = head_with({{"Cache-Control", "max-age=100"}});
  const auto use = [&](seconds age, std::string_view asked) {
    return decide(stored, none, "k", age, http::parse_cache_control(asked)).use;
  };
  EXPECT_EQ(use(50s, ""), usability::fresh);
  EXPECT_EQ(use(100s, ""), usability::must_ask);
  EXPECT_EQ(use(50s, "no-cache"), usability::must_ask);
  EXPECT_EQ(use(50s, "max-age=49"), usability::must_ask);
  EXPECT_EQ(use(50s, "min-fresh=60"), usability::must_ask);
  EXPECT_EQ(use(150s, "max-stale=60"), usability::fresh);
  EXPECT_EQ(use(150s, "max-stale=40"), usability::must_ask);
  EXPECT_EQ(use(1'000s, "max-stale"), usability::fresh);
  EXPECT_EQ(decide(head_with({{"Cache-Control", "max-age=100, stale-while-revalidate=50"}}), none, "k", 120s, {}).use,
            usability::stale_while_revalidate);
  EXPECT_EQ(decide(head_with({{"Cache-Control", "max-age=100, must-revalidate"}}), none, "k", 120s,
                   http::parse_cache_control("max-stale"))
                .use,
            usability::must_ask);
}

TEST(freshness, fields_that_must_be_validated_are_not_served_without) {
  const space::freshness_policy none;
  const auto stored = head_with({{"Cache-Control", "max-age=100, no-cache=\"set-cookie\""}});
  EXPECT_EQ(decide(stored, none, "k", 1s, {}).use, usability::must_ask);
  EXPECT_FALSE(usable_on_error(stored, none, 50s));
  EXPECT_EQ(freshness_lifetime(head_with({{"Cache-Control", "no-cache=\"set-cookie\""}}), none, "k"), 0s);
}

TEST(freshness, a_failing_origin_does_not_overrule_its_word_on_stale_answers) {
  space::freshness_policy policy;
  EXPECT_TRUE(usable_on_error(head_with({{"Cache-Control", "max-age=10"}}), policy, -5s));
  for (const char* strict : {"max-age=10, must-revalidate", "max-age=10, proxy-revalidate", "s-maxage=10"}) {
    EXPECT_FALSE(usable_on_error(head_with({{"Cache-Control", strict}}), policy, -5s)) << strict;
  }
  policy.ttl = 10s; // the operator's word outranks the origin's
  EXPECT_TRUE(usable_on_error(head_with({{"Cache-Control", "s-maxage=10"}}), policy, -5s));
}

TEST(freshness, age_counts_delay_and_residence_and_saturates) {
  origin::read_answer answer;
  answer.requested = wall_time(1'700'000'000s);
  answer.received = answer.requested + 3s;
  answer.fields.add("Age", "40");
  answer.fields.add("Date", "Tue, 14 Nov 2023 22:13:20 GMT");
  const auto head = make_stored_head(answer, steady_time(1'000s));
  EXPECT_EQ(age_of(head, steady_time(1'000s)), 43s);
  EXPECT_EQ(age_of(head, steady_time(1'010s)), 53s);
  answer.fields.set("Age", "99999999999999999999999");
  EXPECT_EQ(age_of(make_stored_head(answer, steady_time(1'000s)), steady_time(2'000s)), seconds{2'147'483'647});
}

TEST(freshness, a_304_replaces_fields_and_starts_a_new_life) {
  const auto old = head_with({{"Cache-Control", "max-age=1"}, {"ETag", "\"a\""}, {"X-Kept", "1"}});
  origin::read_answer answer;
  answer.status = 304;
  answer.requested = answer.received = wall_time(1'700'001'000s);
  answer.fields.add("Cache-Control", "max-age=50");
  const auto fresh = refreshed_head(old, answer, steady_time(2'000s));
  EXPECT_EQ(fresh.status, 200u);
  EXPECT_EQ(fresh.control.max_age, 50s);
  EXPECT_EQ(fresh.fields.get("x-kept"), "1");
  EXPECT_EQ(fresh.fields.count("cache-control"), 1u);
  EXPECT_EQ(age_of(fresh, steady_time(2'000s)), 0s);
}

TEST(freshness, dates_of_far_years_do_not_overflow) {
  EXPECT_GE(age_of(head_with({{"Date", "Mon, 01 Jan 1601 00:00:00 GMT"}}), {}), std::chrono::hours(24 * 365 * 60));
  const auto far = head_with({{"Date", "Mon, 01 Jan 1601 00:00:00 GMT"}, {"Expires", "Fri, 31 Dec 9999 23:59:59 GMT"}});
  EXPECT_GE(far.expires_lifetime, std::chrono::hours(24 * 365 * 500));
}

} // namespace
} // namespace forebay::cache
