#include "storage/disk/format.h"

#include <gtest/gtest.h>

#include "storage/memory_tier_access.h"

namespace forebay::storage::disk {
namespace {

using testing_bytes::version_of;

std::vector<std::byte> pattern(std::size_t length, std::uint64_t offset = 0) {
  std::vector<std::byte> bytes(length);
  testing_bytes::fill(bytes, 1, offset);
  return bytes;
}

struct written {
  entry_head head;
  std::vector<std::byte> bytes;
};
written write(std::size_t length, std::size_t cut) {
  written made;
  made.head.kind = entry_kind::extent;
  made.head.key = version_of(1);
  made.head.offset = 3 * grain_bytes;
  made.head.payload_bytes = static_cast<std::uint32_t>(length);
  made.head.sequence = 42;
  made.head.segment = 7;
  const auto payload = pattern(length, made.head.offset);
  const std::span<const std::byte> whole(payload);
  const std::array pieces{whole.first(cut), whole.subspan(cut)};
  made.bytes.resize(static_cast<std::size_t>(stored_bytes(length)), std::byte{0xEE});
  EXPECT_EQ(write_entry(made.head, pieces, made.bytes), made.bytes.size());
  return made;
}

TEST(disk_format, an_entry_is_read_as_it_was_written) {
  for (const std::size_t length : {std::size_t{1}, std::size_t{4096}, block_bytes - 1, block_bytes, block_bytes + 1,
                                   3 * block_bytes, 5 * block_bytes + 77, payload_bytes_max}) {
    const auto entry = write(length, length / 3);
    const auto head = read_entry_head(entry.bytes);
    ASSERT_TRUE(head) << length;
    EXPECT_EQ(head->payload_bytes, length);
    EXPECT_EQ(head->sequence, 42u);
    EXPECT_EQ(head->segment, 7u);
    const auto blocks = std::span(entry.bytes).subspan(sizeof(entry_head));
    EXPECT_EQ(verify_blocks(head->key, head->offset, length, blocks), length);
    std::vector<std::byte> payload(length);
    copy_payload(blocks, 0, payload);
    EXPECT_TRUE(testing_bytes::matches(payload, 1, head->offset));
    if (length > 100) {
      copy_payload(blocks, 77, std::span(payload).first(length - 77));
      EXPECT_TRUE(testing_bytes::matches(std::span(payload).first(length - 77), 1, head->offset + 77));
    }
  }
}

TEST(disk_format, a_flipped_bit_costs_its_block_alone) {
  const auto clean = write(4 * block_bytes, 0);
  for (std::size_t block = 0; block < 4; ++block) {
    for (const std::size_t within : {std::size_t{0}, block_bytes - 1, block_bytes /* its checksum */}) {
      auto bytes = clean.bytes;
      bytes[sizeof(entry_head) + block * block_stride_bytes + within] ^= std::byte{4};
      const auto blocks = std::span(bytes).subspan(sizeof(entry_head));
      EXPECT_EQ(verify_blocks(clean.head.key, clean.head.offset, 4 * block_bytes, blocks), block * block_bytes);
      const auto behind = blocks.subspan((block + 1) * block_stride_bytes);
      const std::size_t rest = (3 - block) * block_bytes;
      EXPECT_EQ(verify_blocks(clean.head.key, clean.head.offset + (block + 1) * block_bytes, rest, behind), rest);
    }
  }
}

TEST(disk_format, a_block_of_elsewhere_never_passes) {
  const auto entry = write(2 * block_bytes, 0);
  const auto blocks = std::span(entry.bytes).subspan(sizeof(entry_head));
  EXPECT_EQ(verify_blocks(version_of(2), entry.head.offset, block_bytes, blocks), 0u);
  EXPECT_EQ(verify_blocks(entry.head.key, entry.head.offset + block_bytes, block_bytes, blocks), 0u);
  EXPECT_EQ(verify_blocks(entry.head.key, entry.head.offset, 2 * block_bytes, blocks.first(block_bytes + 9)),
            block_bytes)
      << "cut off";
}

TEST(disk_format, every_bit_of_a_head_counts) {
  const auto entry = write(10, 0);
  for (std::size_t bit = 0; bit < sizeof(entry_head) * 8; ++bit) {
    auto bytes = entry.bytes;
    bytes[bit / 8] ^= std::byte{static_cast<unsigned char>(1u << bit % 8)};
    EXPECT_FALSE(read_entry_head(bytes)) << bit;
  }
  EXPECT_FALSE(read_entry_head(std::span(entry.bytes).first(63)));
}

TEST(disk_format, a_footer_is_read_as_it_was_written) {
  std::vector<footer_row> rows(100);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].sequence = i;
  auto bytes = render_footer(9, rows, 123 * sector_bytes, 777);
  ASSERT_EQ(bytes.size() % sector_bytes, 0u);
  auto trailer = read_trailer(std::span(bytes).last(sector_bytes));
  ASSERT_TRUE(trailer);
  EXPECT_EQ(trailer->number, 9u);
  EXPECT_EQ(trailer->data_end, 777u);
  const auto read = read_rows(*trailer, bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size(), rows.size());
  EXPECT_EQ(read->back().sequence, 99u);
  bytes[48] ^= std::byte{1};
  EXPECT_FALSE(read_rows(*trailer, bytes));
  trailer->rows = 1u << 20;
  EXPECT_FALSE(read_rows(*trailer, bytes)) << "more rows than bytes";
}

TEST(disk_format, a_segment_of_another_machine_or_version_is_refused_by_name) {
  segment_head head;
  head.segment_bytes = segment_bytes_min;
  const auto judged = [&](segment_head with) {
    seal(with);
    return read_segment_head(std::as_bytes(std::span(&with, 1)));
  };
  EXPECT_TRUE(judged(head));
  auto turned = head;
  turned.endian = 0x04030201;
  EXPECT_EQ(judged(turned).error().kind, error_kind::unsupported);
  auto newer = head;
  newer.version = format_version + 1;
  EXPECT_EQ(judged(newer).error().kind, error_kind::unsupported);
  auto foreign = head;
  foreign.magic[0] = 'X';
  EXPECT_EQ(judged(foreign).error().kind, error_kind::broken);
  head.checksum = 1;
  EXPECT_EQ(read_segment_head(std::as_bytes(std::span(&head, 1))).error().kind, error_kind::broken);
}

} // namespace
} // namespace forebay::storage::disk
