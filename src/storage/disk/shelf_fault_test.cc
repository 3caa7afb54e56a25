// The disk tier when its disk fails it.
#include <gtest/gtest.h>
#include <random>

#include "storage/disk/shelf_scene.h"

namespace forebay::storage::disk {
namespace {

using verdict = fake_disk::verdict;

class shelf_faults : public shelf_scene {
protected:
  /// From now on, `operation` on segments fails this way.
  void break_down(const char* operation, verdict how) {
    platters.judge = [operation, how](const char* asked, const std::string& name) {
      return std::string_view(asked) == operation && name.ends_with(".seg") ? how : verdict::ok;
    };
  }
};

TEST_F(shelf_faults, a_full_disk_makes_the_tier_smaller) {
  platters.capacity_bytes = 9 * mib;
  start();
  for (std::uint64_t i = 0; i < 200; ++i) put(i, 0, 100 * kib);
  EXPECT_EQ(tier->state_now(), shelf::state::serving);
  EXPECT_EQ(readable(199, 0, mib), 100 * kib);
  EXPECT_LE(segments(), 9u);
  EXPECT_EQ(tier->counts().write_errors, 0u) << "no failure: less room";
}

TEST_F(shelf_faults, read_errors_are_misses_until_there_are_too_many) {
  settings.errors_limit = 5;
  start();
  put(1, 0, 100 * kib);
  break_down("read", verdict::io_error);
  for (unsigned i = 0; i < 4; ++i) {
    const auto got = tier->read(version(1), {0, 10});
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().kind, error_kind::broken);
  }
  platters.judge = nullptr;
  EXPECT_EQ(readable(1, 0, mib), 100 * kib) << "it recovered";
  break_down("read", verdict::io_error);
  EXPECT_FALSE(tier->read(version(1), {0, 10}));
  EXPECT_EQ(tier->state_now(), shelf::state::off);
}

TEST_F(shelf_faults, write_errors_lose_what_was_written_and_nothing_else) {
  start();
  put(1, 0, 100 * kib);
  break_down("write", verdict::io_error);
  put(2, 0, 100 * kib);
  platters.judge = nullptr;
  put(3, 0, 100 * kib);
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
  EXPECT_EQ(readable(2, 0, mib), 0u);
  EXPECT_EQ(readable(3, 0, mib), 100 * kib);
  restart();
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
  EXPECT_EQ(readable(3, 0, mib), 100 * kib);
}

TEST_F(shelf_faults, short_writes_are_never_read_as_whole) {
  start();
  put(1, 0, 100 * kib);
  break_down("write", verdict::short_write);
  put(2, 0, 512 * kib);
  platters.judge = nullptr;
  EXPECT_EQ(readable(2, 0, mib), 0u);
  restart();
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
  EXPECT_LT(readable(2, 0, mib), 512 * kib) << "the first blocks may have come through";
}

TEST_F(shelf_faults, a_disk_that_became_read_only_is_read) {
  start();
  put(1, 0, 100 * kib);
  break_down("write", verdict::read_only);
  put(2, 0, 100 * kib);
  EXPECT_EQ(tier->state_now(), shelf::state::read_only);
  EXPECT_FALSE(put(3, 0, 100 * kib));
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
}

TEST_F(shelf_faults, files_deleted_under_the_node_are_misses) {
  settings.open_files = 0;
  start();
  for (std::uint64_t i = 0; i < 9; ++i) put(i, 0, 250 * kib); // four to a segment
  {
    const std::lock_guard guard(platters.mutex);
    platters.files.erase("000000000001.seg");
  }
  EXPECT_EQ(readable(0, 0, mib), 0u);
  EXPECT_EQ(readable(3, 0, mib), 0u);
  EXPECT_EQ(readable(4, 0, mib), 250 * kib);
  EXPECT_EQ(tier->state_now(), shelf::state::serving);
  for (std::uint64_t i = 10; i < 100; ++i) put(i, 0, 250 * kib); // evicts it
  EXPECT_EQ(readable(99, 0, mib), 250 * kib);
  EXPECT_EQ(tier->state_now(), shelf::state::serving);
}

TEST_F(shelf_faults, after_a_loss_of_power_what_is_read_is_right) {
  std::mt19937_64 random(7);
  for (unsigned round = 0; round < 20; ++round) {
    start();
    for (std::uint64_t i = 0; i < 60; ++i) {
      put(round * 1000 + i, 0, static_cast<std::size_t>(1 + random() % (200 * kib)));
      put_record(i, std::to_string(round * 1000 + i));
    }
    tier.reset();
    platters.lose_power([&] { return random() % 3 != 0; });
    start();
    for (std::uint64_t before = 0; before <= round; ++before)
      for (std::uint64_t i = 0; i < 60; ++i) readable(before * 1000 + i, 0, mib); // checks every byte
    EXPECT_EQ(tier->state_now(), shelf::state::serving) << "torn writes are no sign of a bad disk";
    tier.reset();
  }
}

TEST_F(shelf_faults, what_is_appended_behind_a_torn_entry_is_found_again) {
  start();
  tier->offer_record(object(1), version(1), "one");
  tier->offer_record(object(2), version(2), "two");
  tier->finish();
  // The second record's head, in the middle of a sector, as a torn write leaves it.
  platters.flip_bit("000000000001.seg", sector_bytes + stored_bytes(3) + 8);
  restart();
  put_record(3, "three");
  restart();
  EXPECT_EQ(record_of(3), "three");
  EXPECT_EQ(record_of(2), "not_found");
  EXPECT_EQ(record_of(1), "one");
}

TEST_F(shelf_faults, a_directory_of_others_is_refused) {
  fake_volume(platters).write_small("thesis.tex", "\\begin{document}");
  const auto refused = shelf::open(std::make_unique<fake_volume>(platters), settings, sequence, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, error_kind::invalid_input);
  EXPECT_NE(refused.error().context.find("thesis.tex"), std::string::npos);
  EXPECT_EQ(platters.files.size(), 1u) << "nothing is touched";
}

TEST_F(shelf_faults, a_newer_format_is_refused_and_left_alone) {
  fake_volume on(platters);
  on.write_small(
      directory_mark::file_name,
      "forebay store\nversion 99\nendian little\nidentity 00112233445566778899aabbccddeeff\nsegment_bytes 1048576\n");
  const auto refused = shelf::open(std::make_unique<fake_volume>(platters), settings, sequence, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, error_kind::unsupported);
  on.write_small(
      directory_mark::file_name,
      "forebay store\nversion 1\nendian big\nidentity 00112233445566778899aabbccddeeff\nsegment_bytes 1048576\n");
  const auto turned = shelf::open(std::make_unique<fake_volume>(platters), settings, sequence, {});
  ASSERT_FALSE(turned);
  EXPECT_EQ(turned.error().kind, error_kind::unsupported);
}

TEST_F(shelf_faults, a_segment_of_another_directory_is_forgotten) {
  start();
  put(1, 0, 100 * kib);
  const auto stranger = platters.files.at("000000000001.seg");
  tier.reset();
  platters.files.clear();
  sequence = 1;
  start();
  put(2, 0, 100 * kib);
  platters.files["000000000007.seg"] = stranger;
  restart();
  EXPECT_EQ(readable(1, 0, mib), 0u);
  EXPECT_EQ(readable(2, 0, mib), 100 * kib);
}

} // namespace
} // namespace forebay::storage::disk
