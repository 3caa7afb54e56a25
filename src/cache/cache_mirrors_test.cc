// Namespaces of several origins: the first one's word counts, the others stand in where it says nothing.
#include "cache/cache_scene.h"

namespace forebay::cache {
namespace {

using testing::fake_origin;
using testing::mib;

class cache_mirrors : public testing::cache_scene {
protected:
  void SetUp() override {
    cache_scene::SetUp();
    auto made = std::make_shared<space::name_space>();
    made->path = "/data";
    made->origins = {origin, mirror};
    space = made;
    for (const auto& each : {origin, mirror}) each->set([](auto& now) { now.length_bytes = 4 * mib; });
  }
  void TearDown() override {
    cache_scene::TearDown();
    mirror.reset();
  }
  static error dead() { return {error_kind::unreachable, "fake", "connection refused", true, 0, {}}; }
  void kill(const std::shared_ptr<fake_origin>& which) {
    which->set([](auto& now) { now.failing = dead(); });
  }
  /// A read of which the first MiB came from the first origin, which then breaks off and is dead from there on.
  reading read_over_a_break() {
    origin->set([](auto& now) {
      now.cut_at = now.gate_at = mib;
      now.cuts = 1;
    });
    background reader;
    begin(reader, 0, "a");
    net::testing::eventually([&] { return origin->at_gate > 0; });
    origin->set([](auto& now) {
      now.failing = dead();
      now.gate_at = UINT64_MAX;
    });
    net::testing::eventually([&] { return reader.ended.load(); });
    return reader.seen;
  }
  std::shared_ptr<fake_origin> mirror = std::make_shared<fake_origin>("mirror");
};

TEST_F(cache_mirrors, a_dead_origin_leads_to_the_next_one) {
  kill(origin);
  const auto seen = read("a");
  EXPECT_TRUE(seen.outcome);
  EXPECT_TRUE(seen.right);
  EXPECT_EQ(seen.bytes, 4 * mib);
  EXPECT_EQ(seen.report.origin, "mirror");
  EXPECT_EQ(read("a").bytes, 4 * mib);
  EXPECT_EQ(mirror->bytes, 4 * mib) << "what came from a mirror is held, too";
}

TEST_F(cache_mirrors, a_sound_origin_is_asked_alone) {
  EXPECT_EQ(read("a").bytes, 4 * mib);
  EXPECT_EQ(mirror->requests, 0u);
}

TEST_F(cache_mirrors, what_the_first_origin_does_not_have_is_not_looked_for_elsewhere) {
  origin->set([](auto& now) { now.missing = true; });
  const auto seen = read("a");
  ASSERT_FALSE(seen.outcome);
  EXPECT_EQ(seen.outcome.error().kind, error_kind::not_found);
  EXPECT_EQ(mirror->requests, 0u);
}

TEST_F(cache_mirrors, a_refusal_is_not_asked_around) {
  origin->set([](auto& now) { now.failing = error{error_kind::forbidden, "fake", "not for you", false, 403, {}}; });
  const auto seen = read("a");
  ASSERT_FALSE(seen.outcome);
  EXPECT_EQ(seen.outcome.error().kind, error_kind::forbidden);
  EXPECT_EQ(mirror->requests, 0u);
}

TEST_F(cache_mirrors, behind_a_dead_origin_a_mirrors_absence_is_none) {
  kill(origin);
  mirror->set([](auto& now) { now.missing = true; });
  const auto seen = read("a");
  ASSERT_FALSE(seen.outcome);
  EXPECT_EQ(seen.outcome.error().kind, error_kind::unreachable);
  EXPECT_EQ(mirror->requests, 1u);
}

TEST_F(cache_mirrors, a_break_is_continued_at_the_mirror) {
  const auto seen = read_over_a_break();
  EXPECT_TRUE(seen.outcome) << seen.outcome.error().message();
  EXPECT_TRUE(seen.right);
  EXPECT_EQ(seen.bytes, 4 * mib);
  EXPECT_EQ(origin->bytes, mib);
  EXPECT_EQ(mirror->bytes, 3 * mib);
}

TEST_F(cache_mirrors, another_version_at_the_mirror_continues_nothing) {
  mirror->set([](auto& now) { now.version = 2; });
  const auto seen = read_over_a_break();
  EXPECT_FALSE(seen.outcome);
  EXPECT_TRUE(seen.right);
  EXPECT_LE(seen.bytes, mib);
  EXPECT_GE(mirror->requests, 1u);
  EXPECT_EQ(mirror->bytes, 0u);
}

TEST_F(cache_mirrors, another_length_under_the_same_validator_continues_nothing) {
  mirror->set([](auto& now) { now.length_bytes = 3 * mib; });
  const auto seen = read_over_a_break();
  EXPECT_FALSE(seen.outcome);
  EXPECT_TRUE(seen.right);
  EXPECT_LE(seen.bytes, mib);
  EXPECT_GE(mirror->requests, 1u);
  EXPECT_EQ(mirror->bytes, 0u);
}

} // namespace
} // namespace forebay::cache
