// What a shelf lets go is offered to the tier below it: by eviction, by a quota, and the records that lead there.
#include <map>

#include "storage/disk/shelf_scene.h"

namespace forebay::storage::disk {
namespace {

/// Takes what it is offered, and looks at every byte of it.
class taker final : public eviction_sink {
public:
  bool wants(const version_key& version, byte_range extent, tenant_id tenant) override {
    ++offers;
    const bool good = !extent.empty() && tenant == expected_tenant;
    EXPECT_TRUE(good);
    last_version = version;
    return wanting;
  }
  void take(const version_key& version, std::uint64_t offset, std::span<const std::byte> bytes, tenant_id) override {
    EXPECT_EQ(version, last_version) << "what was asked about";
    taken[version] += bytes.size();
    for (std::uint64_t number = 0; number < 64; ++number) {
      if (testing_bytes::version_of(number) != version) continue;
      EXPECT_TRUE(testing_bytes::matches(bytes, number, offset));
    }
  }
  bool may_hold(const version_key& version) const override { return held_prefix == version.prefix(); }

  bool wanting = true;
  tenant_id expected_tenant = 0;
  std::uint64_t held_prefix = 0;
  unsigned offers = 0;
  version_key last_version{};
  std::map<version_key, std::uint64_t> taken;
};

class hand_down : public shelf_scene {
protected:
  void SetUp() override {
    shelf_scene::SetUp();
    start();
    tier->set_sink(&below);
  }
  void TearDown() override { tier.reset(); }
  taker below;
};

TEST_F(hand_down, what_is_evicted_is_offered_and_nothing_else) {
  std::uint64_t written = 0;
  for (std::uint64_t i = 0; i < 60; ++i) {
    EXPECT_TRUE(put(i, 0, 512 * kib));
    written += 512 * kib;
  }
  std::uint64_t gone = 0, there = 0;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const std::uint64_t here = readable(i, 0, 512 * kib);
    there += here;
    const std::uint64_t handed = below.taken[version(i)];
    EXPECT_EQ(here + handed, 512 * kib) << i << ": held or handed down, never both or neither";
    gone += handed;
  }
  EXPECT_GT(gone, 10 * mib);
  EXPECT_EQ(gone + there, written);
}

TEST_F(hand_down, what_is_not_wanted_is_not_read) {
  below.wanting = false;
  const auto read = tier->counts().read_bytes.load();
  for (std::uint64_t i = 0; i < 60; ++i) EXPECT_TRUE(put(i, 0, 512 * kib));
  EXPECT_GT(below.offers, 10u);
  EXPECT_TRUE(below.taken.empty());
  EXPECT_LT(tier->counts().read_bytes.load() - read, mib) << "footers at most";
}

TEST_F(hand_down, what_a_quota_lets_go_is_offered) {
  below.expected_tenant = 3;
  tier->set_quota(3, 2 * mib);
  for (std::uint64_t i = 0; i < 12; ++i) EXPECT_TRUE(put(i, 0, 512 * kib, 3));
  EXPECT_LE(tier->tenant_bytes(3), 2 * mib);
  std::uint64_t handed = 0;
  for (const auto& [version, bytes] : below.taken) handed += bytes;
  EXPECT_EQ(handed + tier->tenant_bytes(3), 6 * mib);
}

TEST_F(hand_down, a_version_that_proved_wrong_is_not_offered) {
  EXPECT_TRUE(put(1, 0, 512 * kib));
  tier->forget_version(version(1), sequence++);
  for (std::uint64_t i = 2; i < 60; ++i) EXPECT_TRUE(put(i, 0, 512 * kib));
  EXPECT_EQ(readable(1, 0, 512 * kib), 0u);
  EXPECT_FALSE(below.taken.contains(version(1)));
}

TEST_F(hand_down, a_record_stays_while_the_tier_below_has_bytes_of_it) {
  put_record(1, "leads to what was handed down", 1);
  put_record(2, "leads to nothing", 2);
  below.held_prefix = version(1).prefix();
  // Twice around: what the small stream carries over, the main one looks at again.
  for (unsigned pass = 0; pass < 8; ++pass)
    for (std::uint64_t i = 10; i < 50; ++i) {
      EXPECT_TRUE(put(i + 1000 * pass, 0, 512 * kib));
      readable(i + 1000 * pass, 0, 512 * kib); // used, so that the main stream turns
    }
  EXPECT_EQ(record_of(1), "leads to what was handed down");
  EXPECT_EQ(record_of(2), "not_found");
}

} // namespace
} // namespace forebay::storage::disk
