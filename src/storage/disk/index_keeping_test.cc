// The index as a file: what a start takes from it, and when it must not.
#include <gtest/gtest.h>

#include "storage/disk/check.h"
#include "storage/disk/index_file.h"
#include "storage/disk/shelf_scene.h"

namespace forebay::storage::disk {
namespace {

class index_keeping : public shelf_scene {
protected:
  void SetUp() override {
    shelf_scene::SetUp();
    settings.index_every_bytes = 64ull << 30; // only when told: at an orderly end
    start();
  }
  /// After an orderly end, or, as it is told, with more written behind it.
  void finish_and_restart() {
    tier->finish();
    restart();
  }
  bool index_was_used() const { return tier->usage_now().index_was_kept; }
  std::string index_name() const {
    for (const char* name : index_file_names)
      if (platters.files.contains(name)) return name;
    return {};
  }
  /// As the control log would tell it at the next start.
  void purge(std::uint64_t number) {
    const std::uint64_t at = sequence.fetch_add(1);
    tier->forget_object(object(number), at);
    purged.objects[object(number)] = at;
  }
  /// The same directory, without the index.
  void restart_without_index() {
    tier.reset();
    for (const char* name : index_file_names) platters.files.erase(name);
    restart();
  }
};

TEST_F(index_keeping, a_start_reads_the_index_and_no_footer) {
  for (std::uint64_t i = 0; i < 40; ++i) put(i, 0, 100 * kib);
  put_record(1, "one");
  const auto before = tier->usage_now();
  tier->finish();
  tier.reset();
  const std::uint64_t read_before = platters.read_bytes;
  restart();
  EXPECT_TRUE(index_was_used());
  // The open segment of the stream that was used, its tail and head, and the index itself.
  EXPECT_LE(platters.read_bytes - read_before, 3 * sector_bytes + 2 * index_piece_bytes + 2 * mib);
  const auto after = tier->usage_now();
  EXPECT_EQ(after.entries, before.entries);
  EXPECT_EQ(after.live_bytes, before.live_bytes);
  EXPECT_EQ(after.segments, before.segments);
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_EQ(readable(i, 0, 100 * kib), 100 * kib);
  EXPECT_EQ(record_of(1), "one");
}

TEST_F(index_keeping, what_was_written_later_is_found_too) {
  put(1, 0, 100 * kib);
  put_record(1, "first");
  put_record(2, "second");
  tier->finish();
  put(2, 0, 100 * kib);
  put_record(1, "first again");
  for (std::uint64_t i = 10; i < 30; ++i) put(i, 0, 200 * kib); // new segments, closed ones among them
  restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(record_of(1), "first again");
  EXPECT_EQ(record_of(2), "second");
  EXPECT_EQ(readable(2, 0, mib), 100 * kib);
  EXPECT_EQ(readable(29, 0, mib), 200 * kib);
  restart(); // from the same index once more
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(record_of(1), "first again");
  EXPECT_EQ(readable(29, 0, mib), 200 * kib);
}

TEST_F(index_keeping, a_purge_that_came_later_is_obeyed) {
  put_record(1, "one");
  put_record(2, "two");
  purge(2);
  put_record(2, "two again");
  tier->finish();
  purge(1);
  restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(record_of(1), "not_found");
  EXPECT_EQ(record_of(2), "two again"); // the index had obeyed that one already
}

TEST_F(index_keeping, what_was_evicted_since_is_gone_and_survivors_are_where_they_went) {
  put_record(1, "kept alive by its use");
  put(1, 0, 100 * kib);
  put(2, 0, 100 * kib);
  tier->finish();
  for (std::uint64_t i = 10; i < 150; ++i) {
    readable(1, 0, 100 * kib);
    put(i, 0, 200 * kib);
  }
  EXPECT_GT(tier->counts().evicted_segments, 0u);
  const auto before = tier->usage_now();
  restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
  EXPECT_EQ(readable(2, 0, mib), 0u);
  EXPECT_EQ(record_of(1), "kept alive by its use");
  EXPECT_EQ(tier->usage_now().entries, before.entries);
  EXPECT_EQ(tier->counts().damaged_blocks, 0u);
}

TEST_F(index_keeping, a_damaged_index_is_not_believed) {
  for (std::uint64_t i = 0; i < 20; ++i) put(i, 0, 100 * kib);
  for (const std::uint64_t at : {std::uint64_t{20}, sector_bytes + sizeof(index_piece) + 5}) {
    tier->finish();
    put(100 + at, 0, kib); // so that the next end keeps another one
    tier->finish();
    tier.reset();
    platters.flip_bit(index_name(), at);
    restart();
    EXPECT_FALSE(index_was_used());
    EXPECT_EQ(index_name(), "");
    for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(readable(i, 0, 100 * kib), 100 * kib);
  }
}

TEST_F(index_keeping, an_index_whose_segment_lost_entries_is_not_believed) {
  put(1, 0, 100 * kib);
  for (auto& [name, each] : platters.files) each->before.clear();
  put(2, 0, 100 * kib);
  tier->finish();
  tier.reset();
  platters.lose_power([] { return false; }); // of the open segment
  restart();
  EXPECT_FALSE(index_was_used());
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
  EXPECT_EQ(readable(2, 0, mib), 0u);
  EXPECT_EQ(tier->counts().damaged_blocks, 0u);
}

TEST_F(index_keeping, deleted_segments_take_their_entries_along) {
  for (std::uint64_t i = 0; i < 40; ++i) put(i, 0, 100 * kib);
  tier->finish();
  tier.reset();
  platters.files.erase("000000000001.seg");
  restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(readable(0, 0, mib), 0u);
  EXPECT_EQ(readable(39, 0, mib), 100 * kib);
}

TEST_F(index_keeping, a_check_verifies_it) {
  for (std::uint64_t i = 0; i < 20; ++i) put(i, 0, 100 * kib);
  tier->finish();
  tier.reset();
  fake_volume in(platters);
  auto seen = check_directory(in, true);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->index_entries, 20u);
  EXPECT_FALSE(seen->index_damaged);
  platters.flip_bit(index_name(), sector_bytes + sizeof(index_piece) + 5);
  seen = check_directory(in, true);
  ASSERT_TRUE(seen);
  EXPECT_TRUE(seen->index_damaged);
  EXPECT_TRUE(seen->whole()); // the segments are
}

/// A number that came again would let the old index speak of a segment that it never saw.
TEST_F(index_keeping, numbers_of_segments_never_come_again) {
  for (std::uint64_t i = 0; i < 40; ++i) put(i, 0, 100 * kib);
  tier->finish();
  tier.reset();
  std::string last;
  for (const auto& [name, each] : platters.files)
    if (name.ends_with(".seg")) last = name;
  std::erase_if(platters.files, [](const auto& each) { return each.first.ends_with(".seg"); });
  restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(tier->usage_now().entries, 0u);
  put(100, 0, 100 * kib);
  for (const auto& [name, each] : platters.files) {
    if (name.ends_with(".seg")) {
      EXPECT_GT(name, last);
    }
  }
}

TEST_F(index_keeping, other_directories_or_a_floor_make_it_useless) {
  put_record(1, "one");
  purged.members = 0;
  tier->finish();
  purged.members = members_fingerprint({version(1), version(2)});
  restart();
  EXPECT_FALSE(index_was_used());
  put_record(2, "two");
  finish_and_restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(record_of(2), "two");
  tier->finish();
  purged.other_members_at = sequence.load() + 1;
  restart();
  EXPECT_FALSE(index_was_used());
  purged.other_members_at = 0;
  put_record(3, "three");
  tier->finish();
  purged.before = UINT64_MAX;
  restart();
  EXPECT_FALSE(index_was_used());
  EXPECT_EQ(record_of(3), "not_found");
}

TEST_F(index_keeping, what_the_operator_keeps_is_known) {
  put_record(1, "kept", 1, true);
  put(1, 0, 100 * kib);
  finish_and_restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_TRUE(kept->holds(version(1).prefix()));
  for (std::uint64_t i = 10; i < 150; ++i) put(i, 0, 200 * kib);
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
}

TEST_F(index_keeping, it_is_written_now_and_then_and_counted) {
  settings.index_every_bytes = 2 * mib;
  restart();
  for (std::uint64_t i = 0; i < 50; ++i) put(i, 0, 100 * kib);
  EXPECT_NE(index_name(), "");
  restart(); // as after a kill
  EXPECT_TRUE(index_was_used());
  for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(readable(i, 0, 100 * kib), 100 * kib);
}

TEST_F(index_keeping, a_disk_that_fails_while_it_is_written_keeps_the_old_one) {
  for (std::uint64_t i = 0; i < 20; ++i) put(i, 0, 100 * kib);
  tier->finish();
  const std::string first = index_name();
  for (const char* failing : {"create", "write", "sync"}) {
    put(100 + std::string_view(failing).size(), 0, kib);
    platters.judge = [failing](const char* operation, const std::string& name) {
      return name.starts_with("index.") && std::string_view(operation) == failing ? fake_disk::verdict::io_error
                                                                                  : fake_disk::verdict::ok;
    };
    tier->finish();
    EXPECT_EQ(index_name(), first) << failing;
  }
  platters.judge = nullptr;
  restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(readable(19, 0, mib), 100 * kib);
}

TEST_F(index_keeping, a_record_from_the_index_gives_way_to_none_that_is_older) {
  // The older one was carried over in an eviction: it lies behind the newer one in the log, with its old number.
  put_record(1, "old", 1);
  put(1, 0, 100 * kib);
  readable(1, 0, 100 * kib);
  for (std::uint64_t i = 10; i < 60; ++i) put(i, 0, 200 * kib);
  put_record(1, "new", 1);
  tier->finish();
  for (std::uint64_t i = 60; i < 200; ++i) {
    readable(1, 0, 100 * kib);
    EXPECT_EQ(record_of(1), "new");
    put(i, 0, 200 * kib);
  }
  restart();
  EXPECT_TRUE(index_was_used());
  EXPECT_EQ(record_of(1), "new");
  restart_without_index();
  EXPECT_EQ(record_of(1), "new");
}

} // namespace
} // namespace forebay::storage::disk
