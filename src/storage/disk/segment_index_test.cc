#include "storage/disk/segment_index.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

#include "storage/memory_tier_access.h"

namespace forebay::storage::disk {
namespace {

using testing_bytes::version_of;

place extent(std::uint64_t offset, std::uint32_t bytes, std::uint32_t slot = 1, std::uint64_t position = 4096) {
  place made;
  made.offset = offset;
  made.payload_bytes = bytes;
  made.slot = slot;
  made.position = position;
  return made;
}

TEST(segment_index, keeps_every_field_at_its_limit) {
  segment_index index;
  place most = extent(segment_index::object_bytes_max - payload_bytes_max, payload_bytes_max, UINT32_MAX - 1,
                      segment_bytes_max - entry_align_bytes);
  most.tenant = segment_index::tenant_max;
  most.uses = segment_index::uses_max;
  most.kept = true;
  ASSERT_TRUE(index.insert(version_of(7), most));
  const auto found = index.covering(version_of(7), segment_index::object_bytes_max - 1);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->slot, most.slot);
  EXPECT_EQ(found->position, most.position);
  EXPECT_EQ(found->range(), most.range());
  EXPECT_EQ(found->tenant, most.tenant);
  EXPECT_EQ(found->uses, most.uses);
  EXPECT_TRUE(found->kept);
  EXPECT_FALSE(index.covering(version_of(8), segment_index::object_bytes_max - 1));
}

TEST(segment_index, refuses_what_overlaps) {
  segment_index index;
  ASSERT_TRUE(index.insert(version_of(1), extent(8192, 8192)));
  EXPECT_FALSE(index.insert(version_of(1), extent(4096, 4097)));
  EXPECT_FALSE(index.insert(version_of(1), extent(12288, 4096)));
  EXPECT_TRUE(index.insert(version_of(1), extent(4096, 4096)));
  EXPECT_TRUE(index.insert(version_of(1), extent(16384, 10)));
  EXPECT_TRUE(index.insert(version_of(2), extent(8192, 8192)));
  EXPECT_EQ(index.entries(), 4u);
}

TEST(segment_index, joins_neighbours_to_a_run_and_leaps_over_empty_groups) {
  segment_index index;
  const std::uint64_t far = 5 * segment_index::group_bytes;
  ASSERT_TRUE(index.insert(version_of(1), extent(far + 8192, 4096)));
  ASSERT_TRUE(index.insert(version_of(1), extent(far + 4096, 4096)));
  ASSERT_TRUE(index.insert(version_of(1), extent(far + 16384, 4096)));
  const auto run = index.first_run(version_of(1), {100, UINT64_MAX});
  ASSERT_TRUE(run);
  EXPECT_EQ(*run, (byte_range{far + 4096, far + 12288}));
  EXPECT_EQ(index.first_run(version_of(1), {far + 5000, far + 9000}), (byte_range{far + 5000, far + 9000}));
  EXPECT_EQ(index.first_run(version_of(1), {far + 12288, far + 20000}), (byte_range{far + 16384, far + 20000}));
  EXPECT_FALSE(index.first_run(version_of(1), {0, far + 4096}));
}

TEST(segment_index, a_record_replaces_the_one_before) {
  segment_index index;
  object_key object{version_of(3)};
  EXPECT_FALSE(index.put_record(object, extent(0, 100, 1, 4096)));
  const auto old = index.put_record(object, extent(0, 200, 2, 8192));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->slot, 1u);
  EXPECT_EQ(index.record(object)->payload_bytes, 200u);
  EXPECT_FALSE(index.covering(version_of(3), 0)) << "a record is no extent";
  EXPECT_TRUE(index.erase_record(object));
  EXPECT_FALSE(index.record(object));
  EXPECT_EQ(index.entries(), 0u);
}

TEST(segment_index, moves_and_removes_only_what_is_still_there) {
  segment_index index;
  const place at = extent(0, 4096, 1, 4096), to = extent(0, 4096, 2, 64);
  ASSERT_TRUE(index.insert(version_of(1), at));
  EXPECT_TRUE(index.move(entry_kind::extent, version_of(1), 0, at, to));
  EXPECT_FALSE(index.move(entry_kind::extent, version_of(1), 0, at, to));
  EXPECT_FALSE(index.remove(entry_kind::extent, version_of(1), 0, at));
  EXPECT_EQ(index.covering(version_of(1), 0)->slot, 2u);
  EXPECT_TRUE(index.remove(entry_kind::extent, version_of(1), 0, to));
  EXPECT_FALSE(index.covering(version_of(1), 0));
}

TEST(segment_index, an_entry_costs_less_than_32_bytes) {
  segment_index index;
  constexpr std::uint64_t count = 400'000;
  for (std::uint64_t i = 0; i < count; ++i) ASSERT_TRUE(index.insert(version_of(i), extent(0, 4096, 1, i % 1000 * 64)));
  EXPECT_EQ(index.entries(), count);
  EXPECT_LE(index.memory_bytes(), count * 32 + 16 * 4096 * 28) << "beside a chunk in each of 16 shards";
  EXPECT_EQ(index.remove_slot(1).size(), count);
  EXPECT_EQ(index.entries(), 0u);
}

TEST(segment_index, many_at_once_are_what_one_by_one_would_be) {
  segment_index one_by_one, at_once;
  std::vector<segment_index::incoming> all;
  std::mt19937_64 random(4);
  for (unsigned i = 0; i < 50'000; ++i) { // every second one overlaps an earlier one
    const std::uint64_t offset = random() % 8 * (segment_index::group_bytes / 4);
    all.push_back({version_of(random() % 4000), extent(offset, 4096, i, i % 1000 * entry_align_bytes)});
  }
  at_once.reserve(20'000);
  for (std::size_t from = 0; from < all.size(); from += 5000) at_once.insert_all(std::span(all).subspan(from, 5000));
  std::uint64_t refused = 0;
  for (const auto& each : all) {
    const version_key version{each.key};
    ASSERT_EQ(each.inserted, one_by_one.insert(version, each.at)) << "in the order given";
    refused += each.inserted ? 0 : 1;
    const auto found = at_once.covering(version, each.at.offset);
    ASSERT_TRUE(found);
    ASSERT_TRUE(found->same_entry(*one_by_one.covering(version, each.at.offset)));
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_EQ(at_once.entries(), one_by_one.entries());
}

TEST(segment_index, records_at_once_are_found_beside_extents_of_the_same_key) {
  segment_index index;
  place record;
  record.kind = entry_kind::record;
  record.payload_bytes = 100;
  record.position = 640;
  std::vector<segment_index::incoming> all;
  for (std::uint64_t i = 0; i < 100; ++i) {
    all.push_back({version_of(i), extent(0, 4096, 1, i * 64)});
    all.push_back({version_of(i), record});
  }
  all.push_back({version_of(7), record}); // there is one
  index.insert_all(all);
  EXPECT_FALSE(all.back().inserted);
  EXPECT_EQ(index.entries(), 200u);
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_EQ(index.record(object_key{version_of(i)})->position, 640u);
    ASSERT_EQ(index.covering(version_key{version_of(i)}, 0)->position, i * 64);
  }
}

TEST(segment_index, room_asked_for_ahead_changes_nothing_but_the_buckets) {
  segment_index index;
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_TRUE(index.insert(version_of(i), extent(0, 4096, 1, i * 64)));
  index.reserve(100'000);
  const std::uint64_t reserved = index.memory_bytes();
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_EQ(index.covering(version_of(i), 0)->position, i * 64);
  index.reserve(10);
  EXPECT_EQ(index.memory_bytes(), reserved);
}

/// Random operations against a plain map.
TEST(segment_index, agrees_with_a_model) {
  segment_index index;
  std::map<std::pair<std::uint64_t, std::uint64_t>, place> model;
  std::mt19937_64 random(20240117);
  for (unsigned step = 0; step < 60'000; ++step) {
    const std::uint64_t version = random() % 20;
    const std::uint64_t offset = random() % 64 * (segment_index::group_bytes / 8);
    const auto key = std::pair(version, offset);
    const place at =
        extent(offset, static_cast<std::uint32_t>(1 + random() % (1u << 21)), random() % 5, step * entry_align_bytes);
    switch (random() % 4) {
    case 0: {
      const bool added = index.insert(version_of(version), at);
      EXPECT_EQ(added, model.try_emplace(key, at).second);
      break;
    }
    case 1:
      if (const auto found = model.find(key); found != model.end()) {
        EXPECT_TRUE(index.remove(entry_kind::extent, version_of(version), offset, found->second));
        model.erase(found);
      }
      break;
    case 2: {
      const std::uint64_t probe = offset + random() % (1u << 21);
      const auto found = index.covering(version_of(version), probe);
      const auto known = model.find(key);
      const bool expected = known != model.end() && known->second.range().contains(probe);
      ASSERT_EQ(found.has_value(), expected);
      if (expected) {
        EXPECT_TRUE(found->same_entry(known->second));
      }
      break;
    }
    default: {
      const auto run = index.first_run(version_of(version), {offset, 9 * segment_index::group_bytes});
      const auto known = model.lower_bound(key);
      const bool expected = known != model.end() && known->first.first == version;
      ASSERT_EQ(run.has_value(), expected);
      if (expected) {
        EXPECT_EQ(run->begin, known->second.offset);
      }
    }
    }
  }
  EXPECT_EQ(index.entries(), model.size());
}

} // namespace
} // namespace forebay::storage::disk
