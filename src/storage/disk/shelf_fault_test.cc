// The disk tier when its disk fails it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

#include "storage/disk/shelf_scene.h"

namespace forebay::storage::disk {
namespace {

using verdict = fake_disk::verdict;

class shelf_faults : public shelf_scene {
protected:
  static constexpr const char* first_segment = "000000000001.seg";

  /// One object is stored, and one that is put while `operation` fails this way.
  void put_two_the_second_while(const char* operation, verdict how, std::size_t second_length) {
    start();
    put(1, 0, 100 * kib);
    break_down(operation, how);
    put(2, 0, second_length);
  }
  /// A mark of a directory that this machine cannot have written.
  void expect_unsupported(unsigned version, const char* endian) {
    const std::string mark = fmt::format("forebay store\nversion {}\nendian {}\nidentity {:032x}\nsegment_bytes {}\n",
                                         version, endian, 1, mib);
    fake_volume(platters).write_small(directory_mark::file_name, mark);
    expect_refused(error_kind::unsupported);
  }
  std::string expect_refused(error_kind kind) {
    kept_versions nothing_kept;
    const auto refused = shelf::open(std::make_unique<fake_volume>(platters), settings, sequence, {}, nothing_kept);
    EXPECT_FALSE(refused);
    if (refused) return "";
    EXPECT_EQ(refused.error().kind, kind);
    return refused.error().context;
  }
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
  put_two_the_second_while("write", verdict::io_error, 100 * kib);
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
  put_two_the_second_while("write", verdict::short_write, 512 * kib);
  platters.judge = nullptr;
  EXPECT_EQ(readable(2, 0, mib), 0u);
  restart();
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
  EXPECT_LT(readable(2, 0, mib), 512 * kib) << "the first blocks may have come through";
}

TEST_F(shelf_faults, a_disk_that_became_read_only_is_read) {
  put_two_the_second_while("write", verdict::read_only, 100 * kib);
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
    platters.files.erase(first_segment);
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

/// Such a segment is filled and closed like any other: later runs must still know that its damage is from the crash.
TEST_F(shelf_faults, what_a_crash_tore_is_never_held_against_the_disk) {
  settings.errors_limit = 1;
  start();
  for (std::uint64_t i = 0; i < 8; ++i) put(i, 0, 100 * kib);
  tier.reset();
  platters.lose_power([turn = 0u]() mutable { return ++turn % 16 != 0; });
  restart();
  for (std::uint64_t i = 10; i < 20; ++i) put(i, 0, 100 * kib); // the first segment is closed
  restart();
  for (std::uint64_t i = 0; i < 20; ++i) readable(i, 0, mib);
  EXPECT_GT(tier->counts().torn_blocks, 0u);
  EXPECT_EQ(tier->counts().damaged_blocks, 0u);
  EXPECT_EQ(tier->state_now(), shelf::state::serving);
}

TEST_F(shelf_faults, what_is_appended_behind_a_torn_entry_is_found_again) {
  start();
  tier->offer_record(object(1), version(1), "one", false);
  tier->offer_record(object(2), version(2), "two", false);
  tier->finish();
  // The second record's head, in the middle of a sector, as a torn write leaves it.
  platters.flip_bit(first_segment, sector_bytes + stored_bytes(3) + 8);
  restart();
  put_record(3, "three");
  restart();
  EXPECT_EQ(record_of(3), "three");
  EXPECT_EQ(record_of(2), "not_found");
  EXPECT_EQ(record_of(1), "one");
}

TEST_F(shelf_faults, a_directory_of_others_is_refused) {
  fake_volume(platters).write_small("thesis.tex", "\\begin{document}");
  EXPECT_NE(expect_refused(error_kind::invalid_input).find("thesis.tex"), std::string::npos);
  EXPECT_EQ(platters.files.size(), 1u) << "nothing is touched";
}

TEST_F(shelf_faults, a_newer_format_is_refused_and_left_alone) {
  expect_unsupported(99, "little");
  expect_unsupported(1, "big");
}

TEST_F(shelf_faults, a_segment_of_another_directory_is_forgotten) {
  start();
  put(1, 0, 100 * kib);
  const auto stranger = platters.files.at(first_segment);
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

// Found by store_simulation: a purged record was back, one run after the power had failed.
TEST_F(shelf_faults, what_lies_behind_a_hole_that_a_power_failure_tore_does_not_come_back) {
  start();
  for (std::uint64_t number = 1; number <= 3; ++number) put(number, 0, 64 * kib);
  const auto name = std::find_if(platters.files.begin(), platters.files.end(), [](const auto& each) {
                      return segment_number(each.first).has_value();
                    })->first;
  tier.reset();
  auto from = fake_volume(platters).open(name);
  const auto rows = scan_segment(**from, *segment_number(name), 1 * mib).rows;
  ASSERT_EQ(rows.size(), 3u);
  auto& bytes = platters.files[name]->bytes;
  const auto at = [&](std::size_t row) { return bytes.begin() + rows[row].position * entry_align_bytes; };
  std::fill(at(1), at(2), std::byte{0}); // the second never reached the disk, the third did
  start();
  EXPECT_EQ(readable(1, 0, 64 * kib), 64 * kib);
  EXPECT_EQ(readable(3, 0, 64 * kib), 0u);
  put(4, 0, 64 * kib); // fills the hole exactly
  restart();
  EXPECT_EQ(readable(4, 0, 64 * kib), 64 * kib);
  EXPECT_EQ(readable(3, 0, 64 * kib), 0u);
}

} // namespace
} // namespace forebay::storage::disk
