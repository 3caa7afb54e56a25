#include "storage/memory_tier.h"

#include <gmock/gmock.h>

#include "storage/memory_tier_access.h"

namespace forebay::storage {
namespace {

using testing_bytes::fill;
using testing_bytes::matches;
using testing_bytes::store;
using testing_bytes::version_of;

constexpr std::uint64_t kib = 1024, mib = 1024 * kib;

std::unique_ptr<memory_tier> make_tier(std::uint64_t capacity_bytes, std::size_t block_bytes = mib) {
  auto made = memory_tier::make({.capacity_bytes = capacity_bytes, .block_bytes = block_bytes});
  EXPECT_TRUE(made) << made.error().message();
  return std::move(*made);
}

class memory_tier_rules : public ::testing::Test {
protected:
  void TearDown() override { memory_tier_access::audit(*tier); }

  reservation reserve(std::uint64_t version, std::uint64_t offset, std::uint64_t length) {
    auto reserved = tier->reserve(version_of(version), offset, length, 0);
    EXPECT_TRUE(reserved) << reserved.error().message();
    return reserved ? std::move(*reserved) : reservation{};
  }
  /// Writes what comes next of the version.
  void write(reservation& into, std::uint64_t version, std::size_t count) {
    fill(into->writable().first(count), version, into->offset() + into->ready_bytes());
    into->publish(count);
  }
  error_kind refusal(std::uint64_t version, std::uint64_t offset, std::uint64_t length) {
    auto reserved = tier->reserve(version_of(version), offset, length, 0);
    EXPECT_FALSE(reserved);
    return reserved ? error_kind::internal : reserved.error().kind;
  }

  std::unique_ptr<memory_tier> tier = make_tier(32 * mib);
  const version_key one = version_of(1);
};

TEST_F(memory_tier_rules, a_block_costs_its_pages_and_no_more) {
  ASSERT_TRUE(store(*tier, 1, 0, 68 * kib));
  EXPECT_EQ(tier->usage_now().held_bytes, 68 * kib);
  ASSERT_TRUE(store(*tier, 2, 0, 5000));
  EXPECT_EQ(tier->usage_now().held_bytes, 76 * kib);
  EXPECT_EQ(tier->held_bytes(version_of(2)), 5000u);
  EXPECT_EQ(tier->usage_now().blocks, 2u);
}

TEST_F(memory_tier_rules, fresh_pages_have_memory_before_they_are_written) {
  const auto held_by_system = [&] {
    struct stat file {};
    EXPECT_EQ(::fstat(memory_tier_access::fd(*tier), &file), 0);
    return static_cast<std::uint64_t>(file.st_blocks) * 512;
  };
  reservation filling = reserve(1, 0, mib);
  EXPECT_EQ(held_by_system(), 0u) << "nobody has asked for room";
  EXPECT_EQ(filling.room(65 * kib).size(), 65 * kib);
  const std::uint64_t touched = held_by_system();
  if (touched == 0) GTEST_SKIP() << "a kernel that touches page by page";
  EXPECT_EQ(touched, 68 * kib);
  EXPECT_EQ(filling.room(60 * kib).size(), 60 * kib);
  EXPECT_EQ(held_by_system(), 68 * kib) << "it was there";
  reservation moved = std::move(filling);
  filling = std::move(moved);
  EXPECT_EQ(filling.room().size(), mib);
  EXPECT_EQ(held_by_system(), mib);
  write(filling, 1, 20 * kib);
  EXPECT_EQ(filling.room(mib).data(), filling->writable().data());
  EXPECT_EQ(filling.room(mib).size(), mib - 20 * kib);
  filling.commit(false);
  EXPECT_EQ(held_by_system(), 20 * kib) << "what was not written is given back";
}

TEST_F(memory_tier_rules, readers_see_what_is_ready_and_only_that) {
  reservation filling = reserve(1, 0, 100 * kib);
  EXPECT_TRUE(tier->covers(one, 0));
  EXPECT_TRUE(tier->covers(one, 100 * kib - 1));
  EXPECT_FALSE(tier->covers(one, 100 * kib));
  EXPECT_TRUE(tier->read(one, 0, UINT64_MAX).empty());
  EXPECT_FALSE(tier->find(one, {0, UINT64_MAX}));
  write(filling, 1, 1000);
  const net::slice head = tier->read(one, 0, UINT64_MAX);
  EXPECT_EQ(head.length_bytes(), 1000u);
  EXPECT_TRUE(matches(head.bytes, 1, 0));
  EXPECT_TRUE(tier->read(one, 1000, UINT64_MAX).empty());
  write(filling, 1, 99 * kib);
  const net::slice middle = tier->read(one, 1000, 50'000);
  EXPECT_EQ(middle.length_bytes(), 49'000u);
  EXPECT_TRUE(matches(middle.bytes, 1, 1000));
  EXPECT_EQ(tier->find(one, {500, 70'000}), (byte_range{500, 70'000}));
  EXPECT_TRUE(tier->read(version_of(2), 0, UINT64_MAX).empty());
  EXPECT_TRUE(tier->read(one, 10, 10).empty());
}

TEST_F(memory_tier_rules, long_slices_of_a_hit_carry_the_file_and_others_do_not) {
  ASSERT_TRUE(store(*tier, 1, 0, 200 * kib));
  EXPECT_EQ(tier->read(one, 0, 100 * kib).fd, -1) << "the first pass";
  EXPECT_EQ(tier->read(one, 100 * kib, 200 * kib).fd, -1);
  const net::slice long_one = tier->read(one, 4097, 4097 + net::sendfile_threshold_bytes);
  ASSERT_GE(long_one.fd, 0);
  std::vector<std::byte> from_file(long_one.length_bytes());
  ASSERT_EQ(::pread(long_one.fd, from_file.data(), from_file.size(), static_cast<off_t>(long_one.offset)),
            static_cast<ssize_t>(from_file.size()));
  EXPECT_TRUE(matches(from_file, 1, 4097));
  EXPECT_EQ(tier->read(one, 0, net::sendfile_threshold_bytes - 1).fd, -1);
}

TEST_F(memory_tier_rules, reserve_begins_where_asked_and_overlaps_nothing) {
  ASSERT_TRUE(store(*tier, 1, 64 * kib, 64 * kib));
  EXPECT_EQ(refusal(1, 64 * kib, 4096), error_kind::invalid_input);
  EXPECT_EQ(refusal(1, 124 * kib, 4096), error_kind::invalid_input);
  EXPECT_EQ(refusal(1, 100, 4096), error_kind::invalid_input) << "off the grain";
  EXPECT_EQ(refusal(1, 0, 0), error_kind::invalid_input);
  EXPECT_EQ(refusal(1, UINT64_MAX & ~4095ull, 4096), error_kind::invalid_input);
  reservation before = reserve(1, 4096, mib);
  EXPECT_EQ(before->capacity_bytes(), 60 * kib) << "up to the block that is there";
  reservation behind = reserve(1, 128 * kib, 10 * mib);
  EXPECT_EQ(behind->capacity_bytes(), mib - 128 * kib) << "up to the multiple of block_bytes";
  EXPECT_EQ(refusal(1, 256 * kib, 4096), error_kind::invalid_input) << "covered by one that is being filled";
}

TEST_F(memory_tier_rules, find_joins_blocks_and_stops_at_gaps_and_at_what_is_not_ready) {
  ASSERT_TRUE(store(*tier, 1, 0, 3 * mib));
  ASSERT_TRUE(store(*tier, 1, 4 * mib, 4096));
  reservation filling = reserve(1, 4 * mib + 4096, mib);
  write(filling, 1, 100);
  EXPECT_EQ(tier->find(one, {0, UINT64_MAX}), (byte_range{0, 3 * mib}));
  EXPECT_EQ(tier->find(one, {2 * mib + 5, UINT64_MAX}), (byte_range{2 * mib + 5, 3 * mib}));
  EXPECT_EQ(tier->find(one, {3 * mib, UINT64_MAX}), (byte_range{4 * mib, 4 * mib + 4196}));
  EXPECT_EQ(tier->find(one, {3 * mib, 4 * mib}), std::nullopt);
  EXPECT_EQ(tier->find(one, {3 * mib, 4 * mib + 1}), (byte_range{4 * mib, 4 * mib + 1}));
  EXPECT_EQ(tier->find(one, {4 * mib + 4196, UINT64_MAX}), std::nullopt);
  EXPECT_EQ(tier->find(one, {5, 5}), std::nullopt);
  EXPECT_EQ(tier->find(version_of(9), {0, 10}), std::nullopt);
}

TEST_F(memory_tier_rules, dropping_a_reservation_keeps_whole_grains_and_frees_the_tail) {
  {
    reservation filling = reserve(1, 0, mib);
    write(filling, 1, 10'000);
    EXPECT_EQ(tier->usage_now().held_bytes, mib);
  }
  EXPECT_EQ(tier->held_bytes(one), 8192u);
  EXPECT_FALSE(tier->covers(one, 8192));
  // The page that readers may have seen a part of stays with the block.
  EXPECT_EQ(tier->usage_now().held_bytes, 12 * kib);
  reservation next = reserve(1, 8192, mib);
  EXPECT_EQ(next->offset(), 8192u);
  next.discard();
  { reservation nothing = reserve(2, 0, mib); }
  {
    reservation little = reserve(3, 0, mib);
    write(little, 3, 4095);
  }
  EXPECT_EQ(tier->usage_now().blocks, 1u) << "less than a grain is nothing";
}

TEST_F(memory_tier_rules, a_cut_leaves_what_readers_hold) {
  reservation filling = reserve(1, 0, mib);
  write(filling, 1, 10'000);
  const net::slice seen = tier->read(one, 0, UINT64_MAX);
  ASSERT_EQ(seen.length_bytes(), 10'000u);
  filling.commit(false);
  EXPECT_EQ(tier->read(one, 0, UINT64_MAX).length_bytes(), 8192u);
  for (std::uint64_t other = 10; other < 200; ++other) ASSERT_TRUE(store(*tier, other, 0, 512 * kib));
  EXPECT_TRUE(matches(seen.bytes, 1, 0)) << "also the bytes behind the cut";
}

TEST_F(memory_tier_rules, commit_at_the_objects_end_keeps_every_byte) {
  reservation filling = reserve(1, 0, mib);
  write(filling, 1, 10'001);
  filling.commit(true);
  EXPECT_FALSE(filling);
  EXPECT_EQ(tier->held_bytes(one), 10'001u);
  EXPECT_EQ(tier->usage_now().held_bytes, 12 * kib);
  EXPECT_TRUE(matches(tier->read(one, 0, UINT64_MAX).bytes, 1, 0));
}

TEST_F(memory_tier_rules, discard_forgets_but_readers_keep) {
  reservation filling = reserve(1, 0, 64 * kib);
  write(filling, 1, 64 * kib);
  const net::slice seen = tier->read(one, 0, UINT64_MAX);
  filling.discard();
  EXPECT_FALSE(tier->covers(one, 0));
  EXPECT_EQ(tier->usage_now().held_bytes, 0u);
  EXPECT_EQ(tier->usage_now().pinned_bytes, 64 * kib);
  ASSERT_TRUE(store(*tier, 1, 0, 64 * kib));
  EXPECT_TRUE(matches(seen.bytes, 1, 0));
}

TEST_F(memory_tier_rules, reservations_move) {
  reservation first = reserve(1, 0, 64 * kib);
  write(first, 1, 8192);
  reservation second = std::move(first);
  EXPECT_FALSE(first);
  write(second, 1, 4096);
  second = reserve(2, 0, 64 * kib); // ends the first one early
  EXPECT_EQ(tier->held_bytes(one), 12 * kib);
  EXPECT_TRUE(tier->covers(version_of(2), 0));
}

TEST_F(memory_tier_rules, erase_is_at_once_and_spares_readers_and_fills) {
  ASSERT_TRUE(store(*tier, 1, 0, 5 * mib));
  ASSERT_TRUE(store(*tier, 2, 0, mib));
  const net::slice seen = tier->read(one, 2 * mib, UINT64_MAX);
  reservation filling = reserve(1, 5 * mib, mib);
  write(filling, 1, 5000);
  tier->erase(one);
  EXPECT_EQ(tier->held_bytes(one), 0u);
  EXPECT_FALSE(tier->covers(one, 5 * mib));
  EXPECT_EQ(tier->usage_now().held_bytes, mib);
  EXPECT_EQ(tier->usage_now().pinned_bytes, 2 * mib);
  write(filling, 1, 5000); // the fill has not heard yet
  filling.commit(true);
  EXPECT_FALSE(tier->covers(one, 5 * mib)) << "what was erased must not come back";
  ASSERT_TRUE(store(*tier, 1, 0, 5 * mib));
  EXPECT_TRUE(matches(seen.bytes, 1, 2 * mib));
  tier->erase(version_of(77));
}

TEST_F(memory_tier_rules, everything_pinned_is_exhausted_and_a_dropped_pin_is_room) {
  std::vector<net::slice> held;
  std::uint64_t version = 0;
  while (true) {
    auto reserved = tier->reserve(version_of(version), 0, mib, 0);
    if (!reserved) {
      EXPECT_EQ(reserved.error().kind, error_kind::exhausted);
      EXPECT_TRUE(reserved.error().retryable);
      break;
    }
    write(*reserved, version, mib);
    reserved->commit(true);
    held.push_back(tier->read(version_of(version), 0, UINT64_MAX));
    ++version;
  }
  EXPECT_GE(held.size(), 30u);
  EXPECT_EQ(tier->usage_now().pinned_bytes, held.size() * mib);
  EXPECT_EQ(tier->usage_now().evicted_blocks, 0u);
  held.erase(held.begin() + 17);
  EXPECT_TRUE(reserve(1000, 0, mib)) << "one of them is free";
  EXPECT_FALSE(tier->covers(version_of(17), 0)) << "that one";
  for (std::size_t at = 0; at < held.size(); ++at) EXPECT_TRUE(matches(held[at].bytes, at < 17 ? at : at + 1, 0));
}

struct evictions {
  std::vector<net::slice> kept;
  std::vector<std::uint64_t> versions;
  std::vector<tenant_id> tenants;
  std::size_t keep_count = 0;

  static void seen(void* context, const version_key& version, const block& gone, net::slice bytes, tenant_id tenant) {
    auto& to = *static_cast<evictions*>(context);
    std::uint64_t number;
    std::memcpy(&number, version.bytes.data(), sizeof number);
    EXPECT_EQ(bytes.fd, -1);
    EXPECT_EQ(bytes.length_bytes(), gone.ready_bytes());
    EXPECT_TRUE(matches(bytes.bytes, number, gone.offset()));
    to.versions.push_back(number);
    to.tenants.push_back(tenant);
    if (to.kept.size() < to.keep_count) to.kept.push_back(std::move(bytes));
  }
};

TEST_F(memory_tier_rules, the_hook_sees_every_evicted_block_and_may_keep_it) {
  evictions seen;
  seen.keep_count = 5;
  tier->set_evicted_hook(evictions::seen, &seen);
  for (std::uint64_t version = 0; version < 40; ++version) {
    auto reserved = tier->reserve(version_of(version), 0, mib, static_cast<tenant_id>(version), true);
    ASSERT_TRUE(reserved);
    write(*reserved, version, mib);
    reserved->commit(true);
  }
  EXPECT_EQ(seen.versions.size(), tier->usage_now().evicted_blocks);
  EXPECT_EQ(seen.versions.size() * mib, tier->usage_now().evicted_bytes);
  EXPECT_EQ(seen.kept.size(), 5u);
  for (std::size_t at = 0; at < seen.versions.size(); ++at) {
    EXPECT_FALSE(tier->covers(version_of(seen.versions[at]), 0));
    EXPECT_EQ(seen.tenants[at], seen.versions[at]);
  }
  EXPECT_EQ(tier->usage_now().pinned_bytes, 5 * mib);
  for (std::size_t at = 0; at < 5; ++at) EXPECT_TRUE(matches(seen.kept[at].bytes, seen.versions[at], 0));
  tier->erase(one);
  EXPECT_EQ(seen.versions.size(), tier->usage_now().evicted_blocks) << "an erased block is not evicted";
}

TEST_F(memory_tier_rules, the_hook_does_not_see_what_shall_not_last) {
  evictions seen;
  tier->set_evicted_hook(evictions::seen, &seen);
  for (std::uint64_t version = 0; version < 40; ++version) ASSERT_TRUE(store(*tier, version, 0, mib));
  EXPECT_GT(tier->usage_now().evicted_blocks, 0u);
  EXPECT_TRUE(seen.versions.empty());
}

TEST_F(memory_tier_rules, capacity_holds_pages_index_and_ghosts) {
  for (const std::uint64_t length : {4096ull, 20'000ull, 300'000ull, 1ull << 20, 4096ull}) {
    for (std::uint64_t version = 0; version < 12'000 && version * length < 100 * mib; ++version) {
      ASSERT_TRUE(store(*tier, length * 100'000 + version, 0, length));
      ASSERT_LE(memory_tier_access::used_bytes(*tier), 32 * mib);
    }
    const auto now = tier->usage_now();
    EXPECT_GE(now.held_bytes + now.index_bytes, 32 * mib - 3 * mib) << "and is used";
    memory_tier_access::audit(*tier);
  }
}

TEST_F(memory_tier_rules, only_lent_pages_are_punched_when_blocks_are_alike) {
  for (std::uint64_t version = 0; version < 100; ++version) ASSERT_TRUE(store(*tier, version, 0, mib));
  EXPECT_GT(tier->usage_now().evicted_blocks, 50u);
  EXPECT_EQ(tier->usage_now().punched_bytes, 0u);
  for (std::uint64_t version = 100; version < 200; ++version) {
    ASSERT_TRUE(store(*tier, version, 0, mib));
    tier->read(version_of(version), 0, UINT64_MAX);
    ASSERT_GE(tier->read(version_of(version), 0, UINT64_MAX).fd, 0);
  }
  EXPECT_GT(tier->usage_now().punched_bytes, 50 * mib);
}

TEST_F(memory_tier_rules, resize_shrinks_grows_and_keeps_readers_safe) {
  for (std::uint64_t version = 0; version < 30; ++version) ASSERT_TRUE(store(*tier, version, 0, mib));
  const net::slice seen = tier->read(version_of(29), 0, UINT64_MAX);
  tier->resize(8 * mib);
  EXPECT_EQ(tier->usage_now().capacity_bytes, 8 * mib);
  EXPECT_LE(memory_tier_access::used_bytes(*tier), 8 * mib);
  EXPECT_TRUE(matches(seen.bytes, 29, 0));
  memory_tier_access::audit(*tier);
  EXPECT_LE(reserve(100, 0, mib)->capacity_bytes(), 512 * kib) << "a sixteenth of the capacity";
  tier->resize(128 * mib);
  for (std::uint64_t version = 200; version < 320; ++version) ASSERT_TRUE(store(*tier, version, 0, mib));
  EXPECT_GE(tier->usage_now().held_bytes, 120 * mib);
  EXPECT_LE(memory_tier_access::used_bytes(*tier), 128 * mib);
  for (std::uint64_t version = 200; version < 320; ++version)
    EXPECT_TRUE(matches(tier->read(version_of(version), 0, UINT64_MAX).bytes, version, 0));
  EXPECT_TRUE(matches(seen.bytes, 29, 0));
  tier->resize(0);
  EXPECT_EQ(tier->usage_now().capacity_bytes, memory_tier::capacity_bytes_min);
}

TEST_F(memory_tier_rules, pinned_memory_leaves_a_shrunk_tier_when_its_pins_do) {
  std::vector<net::slice> held;
  for (std::uint64_t version = 0; version < 20; ++version) {
    ASSERT_TRUE(store(*tier, version, 0, mib));
    held.push_back(tier->read(version_of(version), 0, UINT64_MAX));
  }
  tier->erase(version_of(3));
  tier->resize(4 * mib);
  EXPECT_GE(memory_tier_access::used_bytes(*tier), 20 * mib);
  EXPECT_EQ(refusal(100, 0, 4096), error_kind::exhausted);
  for (std::size_t at = 0; at < held.size(); ++at) EXPECT_TRUE(matches(held[at].bytes, at, 0));
  const std::uint64_t before_bytes = memory_tier_access::used_bytes(*tier);
  held.erase(held.begin() + 3);
  EXPECT_EQ(memory_tier_access::used_bytes(*tier), before_bytes - mib) << "erased: nobody can want it any more";
  held.clear();
  EXPECT_TRUE(reserve(100, 0, 4096));
  EXPECT_LE(memory_tier_access::used_bytes(*tier), 4 * mib);
}

TEST(memory_tier_make, refuses_what_cannot_work_and_adapts_what_can) {
  EXPECT_EQ(memory_tier::make({.capacity_bytes = 1000}).error().kind, error_kind::invalid_input);
  EXPECT_EQ(memory_tier::make({.capacity_bytes = UINT64_MAX}).error().kind, error_kind::invalid_input);
  EXPECT_EQ(memory_tier::make({.block_bytes = 5000}).error().kind, error_kind::invalid_input);
  EXPECT_EQ(memory_tier::make({.block_bytes = 1ull << 30}).error().kind, error_kind::invalid_input);
  EXPECT_EQ(memory_tier::make({.small_queue_percent = 0}).error().kind, error_kind::invalid_input);
  EXPECT_EQ(make_tier(mib)->settings().block_bytes, 64 * kib);
  EXPECT_EQ(make_tier(256 * mib)->settings().block_bytes, mib);
}

TEST(memory_tier_make, the_least_tier_works) {
  auto tier = make_tier(memory_tier::capacity_bytes_min);
  for (std::uint64_t version = 0; version < 200; ++version) {
    ASSERT_TRUE(store(*tier, version, 0, 40'000));
    const std::uint64_t last = 39'999;
    EXPECT_TRUE(tier->covers(version_of(version), last));
    ASSERT_LE(memory_tier_access::used_bytes(*tier), memory_tier::capacity_bytes_min);
  }
  EXPECT_GE(tier->usage_now().held_bytes, memory_tier::capacity_bytes_min * 3 / 4);
  memory_tier_access::audit(*tier);
}

} // namespace
} // namespace forebay::storage
