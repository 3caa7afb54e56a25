// The cache over a small disk and a cold tier: readers see one object, wherever its bytes lie.
#include <gtest/gtest.h>

#include "base/hash.h"
#include "cache/cache_scene.h"
#include "cache/cold/cold_tier.h"
#include "cache/cold/fake_store.h"
#include "storage/disk/fake_volume.h"
#include "storage/disk/segment_store.h"

using namespace std::chrono_literals;

namespace forebay::cache::testing {
namespace {

using net::testing::eventually;
using storage::disk::fake_disk;
using storage::disk::segment_store;

constexpr std::uint64_t length = 2 * mib + 17;
constexpr unsigned count = 24;

class cache_cold : public cache_scene {
protected:
  void SetUp() override {
    platters.remembers = false; // a process ends here, not the power
    start();
    origin->set([](auto& now) { now.length_bytes = length; });
  }
  void TearDown() override {
    loops->stop();
    store->end_reads();
    tier->stop();
    cache.reset();
    space.reset();
    loops.reset();
    store.reset();
    tier.reset();
    memory.reset();
  }

  void start() {
    memory = std::move(*storage::memory_tier::make({.capacity_bytes = 16 * mib}));
    storage::disk::segment_store_settings settings;
    settings.flush_interval = 0ms;
    settings.shelf.errors_limit = 1000;
    std::vector<segment_store::directory> one;
    one.push_back({std::make_unique<storage::disk::fake_volume>(platters), 16 * mib});
    store = std::move(*segment_store::open(std::move(one), settings, *memory));
    cold::cold_tier_settings below;
    below.node_name = "one";
    below.stores = {hex(store->shelf_at(0).identity().bytes)};
    below.erased = [this](const storage::version_key& version) { return store->erased(version); };
    tier = std::make_unique<cold::cold_tier>(below, *memory, *store, time);
    auto kept = origin;
    loops = std::make_unique<net::loop_group>(2);
    loops->start();
    origin = kept != nullptr ? kept : std::make_shared<fake_origin>();
    auto made = std::make_shared<space::name_space>();
    made->path = "/data";
    made->tenant = 5;
    made->origins = {origin};
    space = made;
    cold::place_settings place;
    place.label = "/data";
    place.tenant = 5;
    place.url = "fake://cold";
    place.store = bucket;
    place.size_bytes = 1024 * mib;
    place.lifetime = 24h;
    place.timeout = 20s;
    tier->configure({place});
    round();
    store->set_sink(tier.get());
    cache = std::make_unique<content_cache>(cache_limits{}, *memory, store.get(), time);
    cache->use_cold(*tier);
  }
  void restart() {
    TearDown();
    start();
  }

  static net::task<bool> done(net::task<void> work) {
    co_await std::move(work);
    co_return true;
  }
  void round() { wait(done(tier->round())); }
  /// All objects once; what the disk let go is in the store afterwards.
  void read_all(std::uint64_t version = 1) {
    for (unsigned i = 0; i < count; ++i) {
      const auto seen = read(std::to_string(i), {}, version);
      EXPECT_TRUE(seen.outcome) << seen.outcome.error().message();
      EXPECT_TRUE(seen.right) << i;
      EXPECT_EQ(seen.bytes, length);
      eventually([&] { return store->shelf_at(0).usage_now().queued_bytes == 0; });
      round();
    }
    time.advance(6s);
    round();
  }

  fake_disk platters;
  std::shared_ptr<cold::testing::fake_store> bucket = std::make_shared<cold::testing::fake_store>();
  std::unique_ptr<cold::cold_tier> tier;
  std::unique_ptr<segment_store> store;
};

TEST_F(cache_cold, a_set_that_no_disk_holds_crosses_the_far_link_once) {
  origin->set([](auto& now) { now.cache_control = "max-age=86400"; });
  read_all();
  const auto crossed = origin->bytes.load();
  EXPECT_EQ(crossed, count * length);
  read_all();
  // What comes while the disk's own queue is full is not kept, and crosses again: a few blocks on a slow machine.
  const auto few = crossed + crossed / 10;
  EXPECT_LT(origin->bytes, few) << "another reading of everything";
  EXPECT_GT(bucket->packs().size(), 0u);
  restart();
  read_all();
  EXPECT_LT(origin->bytes, few) << "also by a new process";
}

TEST_F(cache_cold, the_report_says_where_the_bytes_came_from) {
  origin->set([](auto& now) { now.cache_control = "max-age=86400"; });
  read_all();
  const auto seen = read("0");
  EXPECT_TRUE(seen.right);
  EXPECT_TRUE(seen.report.hit);
  EXPECT_EQ(seen.report.detail, "cold");
  EXPECT_GT(seen.report.cold_bytes, 0u);
  EXPECT_EQ(seen.report.memory_bytes + seen.report.disk_bytes + seen.report.cold_bytes, length);
  EXPECT_NE(seen.report.cache_status().find("; hit"), std::string::npos);
}

TEST_F(cache_cold, what_was_purged_is_not_read_there_again) {
  origin->set([](auto& now) { now.cache_control = "max-age=86400"; });
  read_all();
  // The same validator and length: only the purge tells that the bytes may be others.
  EXPECT_TRUE(wait(cache->purge_object({space, "0", ""})));
  EXPECT_TRUE(wait(cache->purge_prefix(space, "1")));
  const auto requests = origin->requests.load();
  const auto reads = bucket->reads.load();
  EXPECT_TRUE(read("0").right);
  EXPECT_EQ(origin->requests, requests + 1);
  EXPECT_EQ(bucket->reads, reads);
  restart();
  const auto later = origin->bytes.load();
  EXPECT_TRUE(read("1").right);
  EXPECT_TRUE(read("12").right);
  EXPECT_EQ(origin->bytes, later + 2 * length);
}

TEST_F(cache_cold, a_new_version_is_not_mixed_with_the_old_one) {
  read_all();
  origin->set([](auto& now) { now.version = 2; });
  time.advance(61s); // max-age=60
  read_all(2);
  read_all(2);
}

TEST_F(cache_cold, a_damaged_pack_costs_one_more_fetch) {
  origin->set([](auto& now) { now.cache_control = "max-age=86400"; });
  read_all();
  bucket->set([](auto& of) {
    for (auto& [key, bytes] : of.objects)
      if (key.ends_with(".pack"))
        for (std::size_t at = 100; at < bytes.size(); at += 4096) bytes[at] = static_cast<char>(bytes[at] ^ 1);
  });
  const auto crossed = origin->bytes.load();
  read_all(); // every byte is looked at
  EXPECT_GT(origin->bytes, crossed);
}

TEST_F(cache_cold, a_dead_store_fails_no_read) {
  origin->set([](auto& now) { now.cache_control = "max-age=86400"; });
  read_all();
  bucket->set([](auto& of) { of.failing = error{error_kind::unreachable, "bucket", "refused", true}; });
  const auto reads = bucket->reads.load();
  read_all();
  EXPECT_LE(bucket->reads, reads + 5) << "left alone after three; then a probe";
}

} // namespace
} // namespace forebay::cache::testing
