// Directories of bytes that this program never wrote, with right checksums; fuzz/shelf_fuzz.cc looks for more.
#include "storage/disk/recovery.h"

#include <gtest/gtest.h>

#include "storage/disk/check.h"
#include "storage/disk/foreign_segment.h"
#include "storage/disk/shelf_scene.h"

namespace forebay::storage::disk {
namespace {

class foreign_directory : public shelf_scene {
protected:
  static constexpr std::uint64_t behind_head = sector_bytes / entry_align_bytes;

  void SetUp() override {
    shelf_scene::SetUp();
    mark.identity = testing_bytes::version_of(77);
    mark.segment_bytes = segment_bytes_min;
    fake_volume(platters).write_small(directory_mark::file_name, mark.render());
  }
  foreign_segment segment_of(std::uint64_t number) const { return {mark.identity, number, 0}; }
  static entry_head head_of(std::uint64_t number, std::uint32_t length) {
    entry_head head;
    head.kind = entry_kind::extent;
    head.key = version(number);
    head.payload_bytes = length;
    head.sequence = 10;
    head.segment = 1;
    return head;
  }
  static footer_row row_of(const entry_head& head, std::uint32_t position = behind_head) {
    return {head.kind, head.flags, head.tenant, head.payload_bytes, head.sequence, head.key, head.offset, position, 0};
  }
  /// A closed segment with one good entry of object 1, and this row.
  void store_with(const footer_row& row) {
    foreign_segment made = segment_of(1);
    const entry_head good = head_of(1, 4096);
    made.put_entry(good, 1, sector_bytes);
    made.put_footer(std::array{row_of(good), row});
    std::move(made).store_in(platters, "000000000001.seg");
  }
  /// The row is nothing, what stands beside it is there, and the tier goes on.
  void expect_ignored(const footer_row& row) {
    tier.reset();
    std::erase_if(platters.files, [](const auto& each) { return each.first.ends_with(".seg"); });
    store_with(row);
    fake_volume in(platters);
    const auto report = check_directory(in, true);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->extents + report->records, 1u);
    restart();
    EXPECT_EQ(tier->usage_now().entries, 1u);
    EXPECT_EQ(readable(1, 0, mib), 4096u);
    for (std::uint64_t i = 100; i < 200; ++i) put(i, 0, 200 * kib); // evicts it
    EXPECT_EQ(readable(199, 0, mib), 200 * kib);
  }

  directory_mark mark;
};

TEST_F(foreign_directory, rows_that_point_beyond_their_segment_are_nothing) {
  expect_ignored(row_of(head_of(2, 4096), 0));
  expect_ignored(row_of(head_of(2, 4096), UINT32_MAX));
  expect_ignored(row_of(head_of(2, 200 * kib), (mib - 100 * kib) / entry_align_bytes));
}

TEST_F(foreign_directory, rows_longer_than_an_entry_can_be_are_nothing) {
  expect_ignored(row_of(head_of(2, 0)));
  expect_ignored(row_of(head_of(2, 300 * kib)));
  expect_ignored(row_of(head_of(2, 1u << 31)));
}

TEST_F(foreign_directory, rows_of_a_namespace_or_a_kind_that_cannot_be_are_nothing) {
  entry_head head = head_of(2, 4096);
  head.tenant = UINT16_MAX;
  expect_ignored(row_of(head));
  head = head_of(2, 4096);
  head.kind = entry_kind{9};
  expect_ignored(row_of(head));
}

TEST_F(foreign_directory, extents_off_the_grain_the_group_or_the_largest_object_are_nothing) {
  for (const std::uint64_t offset :
       {std::uint64_t{100}, segment_index::group_bytes - 4096, std::uint64_t{1} << 60, UINT64_MAX - 4095}) {
    entry_head head = head_of(2, 8192);
    head.offset = offset;
    expect_ignored(row_of(head));
  }
}

TEST_F(foreign_directory, sequence_numbers_that_would_overflow_are_nothing) {
  entry_head head = head_of(2, 4096);
  head.sequence = UINT64_MAX;
  expect_ignored(row_of(head));
  EXPECT_LT(sequence, sequence_max);
}

TEST_F(foreign_directory, a_footer_of_more_rows_than_fit_is_none) {
  foreign_segment made = segment_of(1);
  made.put_entry(head_of(1, 4096), 1, sector_bytes);
  segment_trailer trailer;
  trailer.number = 1;
  trailer.rows = mib / sizeof(footer_row);
  trailer.rows_at = mib - footer_bytes(trailer.rows); // below zero
  made.put_sealed(trailer, mib - sector_bytes);
  std::move(made).store_in(platters, "000000000001.seg");
  start();
  EXPECT_EQ(readable(1, 0, mib), 4096u) << "found by the heads of its entries";
}

TEST_F(foreign_directory, a_segment_under_two_names_is_one) {
  store_with(row_of(head_of(1, 4096)));
  platters.files["1.seg"] = platters.files.at("000000000001.seg");
  start();
  EXPECT_EQ(segments(), 1u);
  EXPECT_EQ(readable(1, 0, mib), 4096u);
}

TEST_F(foreign_directory, padding_that_ends_between_entries_ends_the_scan) {
  foreign_segment made = segment_of(1);
  std::uint64_t at = made.put_entry(head_of(1, 4096), 1, sector_bytes);
  entry_head padding;
  padding.segment = 1;
  padding.payload_bytes = 13;
  made.put_sealed(padding, at);
  at += sizeof padding + padding.payload_bytes;
  made.put_entry(head_of(2, 4096), 2, at);
  std::move(made).store_in(platters, "000000000001.seg");
  start();
  EXPECT_EQ(tier->usage_now().entries, 1u);
  put(3, 0, 4096);
  restart();
  EXPECT_EQ(readable(1, 0, mib) + readable(3, 0, mib), 8192u);
}

} // namespace
} // namespace forebay::storage::disk
