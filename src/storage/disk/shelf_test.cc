#include "storage/disk/shelf.h"

#include <gtest/gtest.h>

#include "storage/disk/shelf_scene.h"

namespace forebay::storage::disk {
namespace {

TEST_F(shelf_scene, gives_back_what_was_put) {
  start();
  EXPECT_TRUE(put(1, 0, 300'000));
  EXPECT_TRUE(put(1, 8 * mib, 5000));
  EXPECT_TRUE(put(2, 4096, 4096));
  EXPECT_EQ(readable(1, 0, 300'000), 300'000u);
  EXPECT_EQ(readable(1, 0, 16 * mib), 305'000u);
  EXPECT_EQ(readable(2, 0, 16 * mib), 4096u);
  EXPECT_EQ(readable(3, 0, 16 * mib), 0u);
  EXPECT_EQ(tier->find(version(1), {100, mib}), (byte_range{100, 300'000}));
}

TEST_F(shelf_scene, writes_only_what_is_missing) {
  start();
  put(1, 64 * kib, 64 * kib);
  put(1, 0, 256 * kib);
  EXPECT_EQ(readable(1, 0, 256 * kib), 256 * kib);
  EXPECT_EQ(tier->counts().stored_bytes, 256 * kib);
  put(1, 0, 256 * kib);
  EXPECT_EQ(tier->counts().stored_bytes, 256 * kib);
}

TEST_F(shelf_scene, reads_only_the_blocks_that_are_wanted) {
  start();
  put(1, 0, 900 * kib);
  const auto before = tier->counts().read_bytes.load();
  auto got = tier->read(version(1), {200 * kib, 200 * kib + 10});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->range, (byte_range{192 * kib, 256 * kib}));
  EXPECT_LE(tier->counts().read_bytes - before, 64 * kib + 2 * sector_bytes);
}

TEST_F(shelf_scene, what_eviction_carried_over_leaves_room_for_what_comes_next) {
  start();
  constexpr std::uint64_t objects = 90; // 18 MB in passes: what comes back goes where eviction appends too
  for (std::uint64_t i = 0; i < 8 * objects; ++i) {
    const std::uint64_t number = i % objects, length = (100 + number * 7919 % 150) * kib;
    if (readable(number, 0, length) < length) put(number, 0, length);
  }
  EXPECT_GT(tier->counts().survived_bytes, 0u);
  EXPECT_EQ(tier->counts().write_errors, 0u) << "written over the end of a segment";
  EXPECT_EQ(tier->counts().damaged_blocks, 0u) << "written over a footer";
}

TEST_F(shelf_scene, threads_that_read_ahead_find_the_same_as_one_after_the_other) {
  settings.size_bytes = 64 * mib;
  start();
  for (std::uint64_t i = 0; i < 300; ++i) {
    put(i, 0, 150 * kib);
    put_record(i % 50, "record " + std::to_string(i), i);
  }
  ASSERT_GT(segments(), 3 * 8u);
  restart();
  const auto in_turn = tier->usage_now();
  settings.recovery_threads = 4;
  restart();
  const auto ahead = tier->usage_now();
  EXPECT_EQ(ahead.entries, in_turn.entries);
  EXPECT_EQ(ahead.live_bytes, in_turn.live_bytes);
  EXPECT_EQ(ahead.segments, in_turn.segments);
  for (std::uint64_t i = 0; i < 300; ++i) EXPECT_EQ(readable(i, 0, mib), 150 * kib);
  for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(record_of(i), "record " + std::to_string(250 + i));
}

TEST_F(shelf_scene, threads_that_read_ahead_end_when_a_segment_is_refused) {
  start();
  for (std::uint64_t i = 0; i < 60; ++i) put(i, 0, 150 * kib);
  tier.reset();
  segment_head newer; // in the middle, while others are being read
  newer.version = format_version + 1;
  seal(newer);
  std::memcpy(platters.files.at(segment_file_name(4))->bytes.data(), &newer, sizeof newer);
  settings.recovery_threads = 4;
  kept_versions nothing_kept;
  const auto refused = shelf::open(std::make_unique<fake_volume>(platters), settings, sequence, {}, nothing_kept);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, error_kind::unsupported);
}

TEST_F(shelf_scene, a_start_takes_no_more_entries_than_the_index_may_hold) {
  start();
  for (std::uint64_t i = 0; i < 400; ++i) put(i, 0, 8 * kib);
  const auto before = tier->usage_now();
  ASSERT_GT(before.segments, 3u);
  settings.index_bytes = before.entries / 2 * segment_index::bytes_per_entry;
  restart();
  EXPECT_LT(tier->usage_now().entries, before.entries * 7 / 8) << "half of them, and at most a segment more";
  EXPECT_EQ(readable(399, 0, mib), 8 * kib) << "the newest are there";
  EXPECT_EQ(readable(0, 0, mib), 0u) << "the oldest are not";
  put(1000, 0, 8 * kib);
  EXPECT_EQ(readable(1000, 0, mib), 8 * kib);
}

TEST_F(shelf_scene, everything_written_is_there_after_a_kill) {
  start();
  for (std::uint64_t i = 0; i < 100; ++i) {
    put(i, 0, 10'000 + i * 100);
    put_record(i, "record " + std::to_string(i), i);
  }
  put_record(5, "record 5, changed", 5);
  restart();
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(readable(i, 0, mib), 10'000 + i * 100);
  EXPECT_EQ(record_of(4), "record 4");
  EXPECT_EQ(record_of(5), "record 5, changed");
  put(200, 0, 5000); // and the log goes on where it stopped
  put_record(4, "record 4, changed");
  restart();
  EXPECT_EQ(readable(200, 0, mib), 5000u);
  EXPECT_EQ(readable(7, 0, mib), 10'700u);
  EXPECT_EQ(record_of(4), "record 4, changed");
}

TEST_F(shelf_scene, a_start_looks_only_for_what_was_written_since_the_last_notes) {
  settings.size_bytes = 512 * mib; // segments of 8 MiB
  settings.noted_every_bytes = 256 * kib;
  start();
  for (std::uint64_t i = 0; i < 60; ++i) put(i, 0, 100 * kib);
  ASSERT_EQ(segments(), 1u);
  const auto start_again = [&] {
    platters.read_bytes = 0;
    restart();
    const std::uint64_t read = platters.read_bytes;
    for (std::uint64_t i = 0; i < 60; ++i) EXPECT_EQ(readable(i, 0, mib), 100 * kib) << i;
    return read;
  };
  EXPECT_LT(start_again(), 2 * mib);
  for (std::uint64_t i = 0; i < 10; ++i) put(i, mib, 50 * kib); // notes go on where those of the run before end
  EXPECT_LT(start_again(), 2 * mib);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(readable(i, mib, mib), 50 * kib) << i;
  platters.flip_bit("000000000001.seg", 8 * mib - sector_bytes + 20); // of the first piece: the others tell nothing
  EXPECT_GT(start_again(), 6 * mib);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(readable(i, mib, mib), 50 * kib) << i;
}

TEST_F(shelf_scene, a_segment_that_was_filled_to_its_end_overwrites_its_notes) {
  settings.noted_every_bytes = 16 * kib;
  start();
  for (std::uint64_t i = 0; i < 80; ++i) put(i, 0, 4 * kib + (i % 7) * 4 * kib); // more than a segment of 1 MiB
  ASSERT_GT(segments(), 1u);
  restart();
  for (std::uint64_t i = 0; i < 80; ++i) EXPECT_EQ(readable(i, 0, mib), 4 * kib + (i % 7) * 4 * kib) << i;
}

TEST_F(shelf_scene, a_purged_object_stays_purged_also_for_what_still_waits_to_be_written) {
  start();
  put_record(1, "old");
  tier->offer_record(object(1), version(1), "newer, but from before the purge", false);
  tier->offer_record(object(2), version(2), "another", false);
  tier->forget_object(object(1), sequence.fetch_add(1));
  EXPECT_EQ(record_of(1), "not_found");
  while (tier->write_batch()) {}
  EXPECT_EQ(record_of(1), "not_found");
  EXPECT_EQ(record_of(2), "another");
  put_record(1, "fetched anew");
  EXPECT_EQ(record_of(1), "fetched anew");

  purged.objects[object(2)] = sequence.fetch_add(1);
  restart();
  EXPECT_EQ(record_of(1), "fetched anew");
  EXPECT_EQ(record_of(2), "not_found");
}

TEST_F(shelf_scene, a_forgotten_version_is_never_found_again) {
  start();
  put(1, 0, 5000);
  tier->forget_version(version(1), sequence.fetch_add(1));
  EXPECT_FALSE(tier->find(version(1), {0, mib}));
  put(1, 0, 5000);
  EXPECT_FALSE(tier->find(version(1), {0, mib}));
}

TEST_F(shelf_scene, a_flipped_bit_costs_one_block) {
  start();
  put(1, 0, 512 * kib);
  // The fourth block of the first entry in the first segment.
  platters.flip_bit("000000000001.seg", sector_bytes + sizeof(entry_head) + 3 * block_stride_bytes + 1000);
  restart();
  // The segment was open at the kill: as far as anybody knows, the block may have been torn then.
  EXPECT_EQ(readable(1, 0, 512 * kib), 448 * kib);
  EXPECT_EQ(tier->counts().torn_blocks, 1u);
  EXPECT_EQ(tier->counts().damaged_blocks, 0u);
  EXPECT_EQ(readable(1, 0, 512 * kib), 448 * kib);
  EXPECT_EQ(tier->counts().torn_blocks, 1u) << "it was forgotten the first time";
  put(1, 192 * kib, 64 * kib); // fetched again
  EXPECT_EQ(readable(1, 0, 512 * kib), 512 * kib);
}

TEST_F(shelf_scene, a_disk_that_damages_too_much_is_given_up) {
  settings.errors_limit = 3;
  start();
  for (std::uint64_t i = 0; i < 13; ++i) put(i, 0, 250 * kib); // four to a segment: all but the last are closed
  for (unsigned i = 1; i <= 3; ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "%012u.seg", i);
    platters.flip_bit(name, sector_bytes + sizeof(entry_head) + 77);
  }
  EXPECT_EQ(readable(0, 0, mib), 186 * kib);
  EXPECT_EQ(readable(4, 0, mib), 186 * kib);
  EXPECT_EQ(tier->state_now(), shelf::state::serving);
  readable(8, 0, mib);
  EXPECT_EQ(tier->counts().damaged_blocks, 3u);
  EXPECT_EQ(tier->state_now(), shelf::state::off);
  EXPECT_FALSE(tier->find(version(1), {0, mib})) << "off";
  EXPECT_FALSE(put(99, 0, 4096));
}

TEST_F(shelf_scene, the_oldest_leave_and_what_was_read_stays) {
  start();
  put(1, 0, 100 * kib);
  put_record(1, "of the first", 1);
  for (std::uint64_t i = 100; i < 400; ++i) {
    put(i, 0, 100 * kib);
    if (i % 5 != 0) continue;
    EXPECT_EQ(readable(1, 0, mib), 100 * kib); // often enough to be found in use by every eviction
  }
  EXPECT_LE(segments(), 16u);
  EXPECT_EQ(readable(1, 0, mib), 100 * kib) << "read again and again";
  EXPECT_EQ(record_of(1), "of the first") << "its bytes are there";
  EXPECT_EQ(readable(100, 0, mib), 0u);
  EXPECT_EQ(readable(399, 0, mib), 100 * kib);
  EXPECT_GT(tier->counts().evicted_segments, 10u);
  EXPECT_LT(tier->counts().written_bytes, 31 * mib + 31 * mib / 5) << "write amplification";
  restart();
  EXPECT_EQ(readable(1, 0, mib), 100 * kib);
  EXPECT_EQ(readable(399, 0, mib), 100 * kib);
}

TEST_F(shelf_scene, neighbours_become_one_entry_when_they_are_carried_over) {
  start();
  for (std::uint64_t at = 0; at < 256 * kib; at += 16 * kib) put(1, at, 16 * kib);
  const auto entries = tier->usage_now().entries;
  EXPECT_EQ(entries, 16u);
  std::uint64_t next = 100;
  while (tier->counts().evicted_segments == 0) {
    for (std::uint64_t at = 0; at < 256 * kib; at += 16 * kib) readable(1, at, 16 * kib);
    put(next++, 0, 400 * kib);
  }
  EXPECT_EQ(readable(1, 0, mib), 256 * kib);
  const auto run = tier->read(version(1), {0, 256 * kib});
  ASSERT_TRUE(run);
  EXPECT_EQ(run->range, (byte_range{0, 256 * kib})) << "one entry";
}

TEST_F(shelf_scene, a_scan_does_not_flush_what_is_in_use) {
  start();
  for (std::uint64_t i = 0; i < 40; ++i) put(i, 0, 100 * kib, 1);
  for (unsigned round = 0; round < 3; ++round)
    for (std::uint64_t i = 0; i < 40; ++i) readable(i, 0, mib);
  for (std::uint64_t i = 1000; i < 1600; ++i) put(i, 0, 100 * kib, 2); // four times the disk, read by nobody
  std::uint64_t left = 0;
  for (std::uint64_t i = 0; i < 40; ++i) left += readable(i, 0, mib) / (100 * kib);
  EXPECT_EQ(left, 40u);
}

/// Twenty objects that are kept, half of them only after their bytes came, and then far more than fits.
class kept_scene : public shelf_scene {
protected:
  void fill() {
    for (std::uint64_t i = 0; i < 10; ++i) put_record(i, "kept", i, true);
    for (std::uint64_t i = 0; i < 20; ++i) put(i, 0, 100 * kib, 1);
    for (std::uint64_t i = 10; i < 20; ++i) put_record(i, "kept", i, true);
  }
  void scan(std::uint64_t from = 1000) {
    for (std::uint64_t i = from; i < from + 600; ++i) put(i, 0, 100 * kib, 2);
  }
  /// What is read again goes into the main stream, whose turn then comes too.
  void press_main(std::uint64_t from) {
    for (std::uint64_t i = from; i < from + 400; ++i) {
      put(i, 0, 100 * kib, 2);
      readable(i, 0, mib);
    }
  }
  std::uint64_t count_left() {
    std::uint64_t left = 0;
    for (std::uint64_t i = 0; i < 20; ++i) left += tier->find(version(i), {0, 100 * kib}) ? 1 : 0;
    return left;
  }
};

TEST_F(kept_scene, what_is_kept_stays) {
  start();
  fill();
  scan();
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(readable(i, 0, mib), 100 * kib) << i;
  restart();
  press_main(2000);
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(readable(i, 0, mib), 100 * kib) << i;
}

TEST_F(kept_scene, what_the_operator_keeps_no_more_goes) {
  start();
  fill();
  scan();
  operator_keeps = false;
  press_main(2000);
  EXPECT_EQ(count_left(), 0u);
}

TEST_F(kept_scene, bytes_that_no_record_leads_to_any_more_go) {
  start();
  fill();
  scan();
  for (std::uint64_t i = 0; i < 10; ++i) tier->forget_object(object(i), sequence++);
  for (std::uint64_t i = 10; i < 20; ++i) put_record(i, "of a new version", 100 + i, true);
  press_main(2000);
  EXPECT_EQ(count_left(), 0u);
  restart();
  scan(3000);
  EXPECT_EQ(count_left(), 0u);
}

/// The writer went round for ever: what was kept filled a tier that a full disk had made smaller.
TEST_F(kept_scene, more_kept_than_there_is_room_for_ends) {
  settings.kept_percent = 100;
  start();
  for (std::uint64_t i = 0; i < 200; ++i) {
    put_record(i, "kept", i, true);
    put(i, 0, 200 * kib, 1);
  }
  EXPECT_EQ(readable(199, 0, mib), 200 * kib);
  EXPECT_LE(segments(), 16u);
}

TEST_F(shelf_scene, a_quota_holds_and_the_newest_stay) {
  start();
  tier->set_quota(3, 2 * mib);
  for (std::uint64_t i = 0; i < 10; ++i) put(500 + i, 0, 100 * kib, 1);
  for (std::uint64_t i = 0; i < 60; ++i) {
    put(i, 0, 100 * kib, 3);
    EXPECT_LE(tier->tenant_bytes(3), 2 * mib);
  }
  EXPECT_GE(tier->tenant_bytes(3), mib);
  EXPECT_EQ(readable(59, 0, mib), 100 * kib);
  EXPECT_EQ(readable(0, 0, mib), 0u);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(readable(500 + i, 0, mib), 100 * kib) << "another's";
}

TEST_F(shelf_scene, what_does_not_fit_the_queue_is_dropped_and_counted) {
  settings.queue_bytes = 100 * kib;
  start();
  EXPECT_TRUE(tier->offer(version(1), 0, {slice_of(1, 0, 80 * kib)}, 0));
  EXPECT_FALSE(tier->offer(version(2), 0, {slice_of(2, 0, 80 * kib)}, 0));
  EXPECT_EQ(tier->counts().dropped_writes, 1u);
  tier->finish();
  EXPECT_TRUE(tier->offer(version(2), 0, {slice_of(2, 0, 80 * kib)}, 0));
  tier->finish();
  EXPECT_EQ(readable(1, 0, mib) + readable(2, 0, mib), 160 * kib);
}

TEST_F(shelf_scene, a_burst_is_let_through_before_it_is_written) {
  constexpr std::chrono::milliseconds tick{1}, interval{200};
  fake_clock time;
  settings.time = &time;
  settings.batch_bytes = 128 * kib;
  settings.queue_bytes = mib;
  settings.burst_room_bytes = 0;
  start();
  std::uint64_t next = 0;
  const auto offer = [&](std::size_t length) {
    ++next;
    tier->offer(version(next), 0, {slice_of(next, 0, length)}, 0);
  };
  const auto is_due = [&] { return tier->worth_writing(time.steady() - interval); };
  const auto queued = [&] { return tier->usage_now().queued_bytes; };
  for (int i = 0; i < 5; ++i) {
    offer(128 * kib);
    time.advance(settings.burst_pause - tick);
    EXPECT_FALSE(is_due()) << "more may come";
  }
  time.advance(tick);
  while (is_due()) EXPECT_TRUE(tier->write_batch());
  EXPECT_EQ(queued(), 0u) << "nothing came: all is written";

  for (int i = 0; i < 6; ++i) offer(128 * kib);
  while (is_due()) EXPECT_TRUE(tier->write_batch());
  EXPECT_EQ(queued(), 5 * 128 * kib) << "three quarters of the queue are too many, the rest is let be again";

  time.advance(settings.burst_limit);
  offer(kib);
  while (is_due()) EXPECT_TRUE(tier->write_batch());
  EXPECT_EQ(queued(), kib) << "a burst without end is written, but for what came last";
  tier.reset(); // before the clock
}

TEST_F(shelf_scene, an_index_over_its_budget_lets_segments_go) {
  settings.index_bytes = 4 * mib;
  settings.size_bytes = 64 * mib;
  start();
  std::vector<net::slice> tiny{slice_of(1, 0, 64)};
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    if (!tier->offer(version(i), 0, tiny, 0)) tier->finish();
  }
  tier->finish();
  EXPECT_LE(tier->usage_now().entries * 32, 4 * mib + mib) << "with what the newest segment added";
  EXPECT_GT(tier->usage_now().entries * 32, 3 * mib) << "and not emptied";
  EXPECT_GT(tier->counts().evicted_segments, 0u);
}

} // namespace
} // namespace forebay::storage::disk
