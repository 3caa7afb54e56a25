#include "storage/eviction_queues.h"

#include <gtest/gtest.h>

#include "storage/memory_tier_access.h"

namespace forebay::storage {
namespace {

using testing_bytes::store;
using testing_bytes::version_of;

constexpr std::uint64_t object_bytes = 64 * 1024;

std::unique_ptr<memory_tier> make_tier(std::uint64_t capacity_bytes) {
  auto made = memory_tier::make({.capacity_bytes = capacity_bytes});
  EXPECT_TRUE(made) << made.error().message();
  return std::move(*made);
}

/// One reader's visit to an object: true when it was a hit; a miss brings it.
bool visit(memory_tier& tier, std::uint64_t object) {
  const bool hit = tier.covers(version_of(object), 0);
  if (!hit) {
    EXPECT_TRUE(store(tier, object, 0, object_bytes));
  }
  EXPECT_EQ(tier.read(version_of(object), 0, object_bytes).length_bytes(), object_bytes);
  return hit;
}

TEST(ghost_table, remembers_within_its_window_and_once) {
  ghost_table table(1024);
  const std::uint64_t first = ghost_fingerprint(1, 0);
  table.insert(first, 10);
  EXPECT_TRUE(table.take(first, 100));
  EXPECT_FALSE(table.take(first, 100)) << "taken once";
  table.insert(first, 10);
  table.insert(ghost_fingerprint(2, 0), 101);
  EXPECT_FALSE(table.take(first, 100)) << "101 grains ago";
  EXPECT_TRUE(table.take(ghost_fingerprint(2, 0), 100));
}

TEST(ghost_table, tells_the_offsets_of_a_version_apart_and_keeps_the_young) {
  ghost_table table(64);
  for (std::uint64_t block = 0; block < 1000; ++block) table.insert(ghost_fingerprint(7, block * grain_bytes), 1);
  EXPECT_FALSE(table.take(ghost_fingerprint(7, 0), UINT32_MAX)) << "64 entries cannot hold the oldest of 1000";
  unsigned young = 0;
  for (std::uint64_t block = 984; block < 1000; ++block)
    young += table.take(ghost_fingerprint(7, block * grain_bytes), 64);
  EXPECT_GE(young, 12u) << "the youngest quarter of the table";
}

TEST(s3_fifo, a_scan_leaves_what_is_used_again) {
  auto tier = make_tier(8 << 20);
  for (int pass = 0; pass < 2; ++pass)
    for (std::uint64_t hot = 0; hot < 32; ++hot) visit(*tier, hot); // 2 MiB, used twice
  for (std::uint64_t scanned = 1000; scanned < 3000; ++scanned) EXPECT_FALSE(visit(*tier, scanned)); // 125 MiB, once
  unsigned kept = 0;
  for (std::uint64_t hot = 0; hot < 32; ++hot) kept += visit(*tier, hot);
  EXPECT_EQ(kept, 32u);
  memory_tier_access::audit(*tier);
}

TEST(s3_fifo, what_was_used_once_leaves_first) {
  auto tier = make_tier(2 << 20);
  std::uint64_t object = 0;
  while (tier->usage_now().evicted_blocks == 0) visit(*tier, object++);
  EXPECT_FALSE(tier->covers(version_of(0), 0));
  EXPECT_TRUE(tier->covers(version_of(object - 1), 0));
}

TEST(s3_fifo, a_ghost_comes_back_into_the_main_queue) {
  auto tier = make_tier(4 << 20);
  for (std::uint64_t object = 0; object < 80; ++object) visit(*tier, object); // 5 MiB: the first ones left
  ASSERT_FALSE(tier->covers(version_of(3), 0));
  EXPECT_FALSE(visit(*tier, 3));
  EXPECT_EQ(tier->usage_now().ghost_hits, 1u);
  for (std::uint64_t scanned = 1000; scanned < 1200; ++scanned) visit(*tier, scanned);
  EXPECT_TRUE(tier->covers(version_of(3), 0)) << "a scan must not wash it out of the main queue";
}

TEST(s3_fifo, one_pass_in_many_small_reads_is_no_use) {
  auto tier = make_tier(2 << 20);
  ASSERT_TRUE(store(*tier, 1, 0, object_bytes));
  for (std::uint64_t at = 0; at < object_bytes; at += 8192)
    ASSERT_EQ(tier->read(version_of(1), at, at + 8192).length_bytes(), 8192u);
  ASSERT_TRUE(store(*tier, 2, 0, object_bytes));
  for (int pass = 0; pass < 2; ++pass)
    for (std::uint64_t at = 0; at < object_bytes; at += 8192)
      ASSERT_EQ(tier->read(version_of(2), at, at + 8192).length_bytes(), 8192u);
  for (std::uint64_t scanned = 1000; scanned < 1100; ++scanned) visit(*tier, scanned);
  EXPECT_FALSE(tier->covers(version_of(1), 0)) << "read once, in eight parts";
  EXPECT_TRUE(tier->covers(version_of(2), 0)) << "read twice";
}

TEST(s3_fifo, the_small_queue_keeps_its_share_beside_a_full_main_queue) {
  auto tier = make_tier(4 << 20);
  std::uint64_t hot = 0;
  while (tier->usage_now().evicted_blocks == 0) {
    visit(*tier, hot);
    visit(*tier, hot++); // used: all of them go to the main queue
  }
  for (std::uint64_t fresh = 1000; fresh < 1005; ++fresh) visit(*tier, fresh);
  EXPECT_TRUE(tier->covers(version_of(1000), 0)) << "five of 64 KiB are less than a tenth of 4 MiB";
  for (std::uint64_t fresh = 1005; fresh < 1010; ++fresh) visit(*tier, fresh);
  EXPECT_FALSE(tier->covers(version_of(1000), 0)) << "ten are more";
}

TEST(s3_fifo, an_unpinned_block_is_found_among_pinned_ones_though_it_was_used) {
  auto tier = make_tier(2 << 20);
  std::uint64_t object = 0;
  while (tier->usage_now().evicted_blocks == 0) {
    visit(*tier, object);
    visit(*tier, object++);
  }
  std::vector<net::slice> held;
  const std::uint64_t loose = 10;
  for (std::uint64_t each = 0; each < object; ++each) {
    net::slice seen = tier->read(version_of(each), 0, object_bytes);
    if (each != loose) held.push_back(std::move(seen));
  }
  std::vector<reservation> fills;
  while (tier->covers(version_of(loose), 0)) {
    auto reserved = tier->reserve(version_of(1000 + fills.size()), 0, object_bytes, 0);
    ASSERT_TRUE(reserved) << "refused although one block is not pinned";
    fills.push_back(std::move(*reserved));
  }
}

TEST(s3_fifo, where_the_small_queue_is_pinned_the_main_one_makes_room) {
  auto tier = make_tier(64 << 20);
  const std::uint64_t hot = 100;
  for (int pass = 0; pass < 2; ++pass)
    for (std::uint64_t object = 0; object < hot; ++object) visit(*tier, object);
  for (std::uint64_t object = 1000; object < 3000; ++object) visit(*tier, object);
  ASSERT_TRUE(tier->covers(version_of(0), 0)) << "in the main queue";
  std::vector<net::slice> waiting; // for the disk
  for (std::uint64_t object = 1000; object < 3000; ++object) {
    net::slice held = tier->read(version_of(object), 0, object_bytes);
    if (!held.empty()) waiting.push_back(std::move(held));
  }
  ASSERT_GT(waiting.size(), eviction_search::looks_max);
  EXPECT_TRUE(store(*tier, 5000, 0, object_bytes));
  waiting.clear();
  memory_tier_access::audit(*tier);
}

TEST(s3_fifo, unused_ones_leave_the_main_queue_in_the_end) {
  auto tier = make_tier(4 << 20);
  for (int pass = 0; pass < 4; ++pass)
    for (std::uint64_t old_hot = 0; old_hot < 50; ++old_hot) visit(*tier, old_hot);
  // Another working set, as large as the tier, comes and stays.
  unsigned hits = 0;
  for (int pass = 0; pass < 12; ++pass)
    for (std::uint64_t new_hot = 100; new_hot < 145; ++new_hot) {
      const bool hit = visit(*tier, new_hot);
      if (pass >= 8) hits += hit;
    }
  EXPECT_GE(hits, 4u * 45u * 9 / 10);
}

} // namespace
} // namespace forebay::storage
