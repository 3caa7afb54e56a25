#include "storage/disk/format.h"

#include <algorithm>
#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h> // the same sums by the widest registers that the processor has
#endif

namespace forebay::storage::disk {
namespace {

template <class T>
std::uint64_t own_checksum(const T& head) noexcept {
  return XXH3_64bits(&head, offsetof(T, checksum));
}

template <class T>
std::optional<T> read_sealed(std::span<const std::byte> from) noexcept {
  T head;
  if (from.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, from.data(), sizeof head);
  const T blank;
  const bool ours = std::memcmp(&head.magic, &blank.magic, sizeof head.magic) == 0;
  if (!ours || head.checksum != own_checksum(head)) return std::nullopt;
  return head;
}

} // namespace

template <class T>
void seal(T& head) noexcept {
  head.checksum = own_checksum(head);
}
template void seal(entry_head&) noexcept;
template void seal(segment_head&) noexcept;
template void seal(segment_trailer&) noexcept;
template void seal(notes_trailer&) noexcept;
template void seal(index_head&) noexcept;

std::uint64_t block_checksum(const key128& key, std::uint64_t offset, std::span<const std::byte> block) noexcept {
  std::uint64_t place[3];
  std::memcpy(place, key.bytes.data(), key.bytes.size());
  place[2] = offset;
  return XXH3_64bits_withSeed(block.data(), block.size(), XXH3_64bits(place, sizeof place));
}

std::optional<entry_head> read_entry_head(std::span<const std::byte> from) noexcept {
  const auto head = read_sealed<entry_head>(from);
  if (!head) return std::nullopt;
  const bool data = head->kind == entry_kind::extent || head->kind == entry_kind::record;
  const bool sane = data ? head->payload_bytes > 0 && head->payload_bytes <= payload_bytes_max
                         : head->kind == entry_kind::padding && head->payload_bytes < sector_bytes;
  return sane ? head : std::nullopt;
}

std::optional<segment_trailer> read_trailer(std::span<const std::byte> sector) noexcept {
  return read_sealed<segment_trailer>(sector);
}

std::optional<notes_trailer> read_notes_trailer(std::span<const std::byte> sector) noexcept {
  return read_sealed<notes_trailer>(sector);
}

std::optional<index_head> read_index_head(std::span<const std::byte> sector) noexcept {
  auto head = read_sealed<index_head>(sector);
  if (head && (head->endian != endian_mark || head->version != format_version)) head.reset();
  return head;
}

result<segment_head> read_segment_head(std::span<const std::byte> sector) {
  segment_head head;
  const segment_head blank;
  if (sector.size() < sizeof head) return fail(error_kind::broken, "disk tier", "a segment is shorter than its head");
  std::memcpy(&head, sector.data(), sizeof head);
  if (std::memcmp(head.magic, blank.magic, sizeof head.magic) != 0) {
    return fail(error_kind::broken, "disk tier", "no segment of Forebay's");
  }
  if (head.endian != endian_mark) {
    return fail(error_kind::unsupported, "disk tier", "a segment of a machine with the other byte order");
  }
  if (head.version > format_version) {
    return fail(error_kind::unsupported, "disk tier", "a segment of a newer version of Forebay");
  }
  const bool sane = head.segment_bytes >= segment_bytes_min && head.segment_bytes <= segment_bytes_max;
  if (head.checksum != own_checksum(head) || head.stream > 1 || !sane) {
    return fail(error_kind::broken, "disk tier", "the head of a segment is damaged");
  }
  return head;
}

std::size_t write_entry(entry_head head, std::span<const std::span<const std::byte>> pieces,
                        std::span<std::byte> into) noexcept {
  seal(head);
  std::memcpy(into.data(), &head, sizeof head);
  std::byte* to = into.data() + sizeof head;
  std::byte* block = to;
  std::uint64_t offset = head.offset;
  const auto close_block = [&] {
    const std::size_t length = static_cast<std::size_t>(to - block);
    const std::uint64_t sum = block_checksum(head.key, offset, {block, length});
    std::memcpy(to, &sum, sizeof sum);
    to += sizeof sum;
    const auto used = static_cast<std::size_t>(to - into.data());
    const std::size_t gap = static_cast<std::size_t>(round_up(used, entry_align_bytes)) - used;
    std::memset(to, 0, gap);
    to += gap;
    block = to;
    offset += length;
  };
  for (std::span<const std::byte> piece : pieces) {
    while (!piece.empty()) {
      const std::size_t room = block_bytes - static_cast<std::size_t>(to - block);
      const std::size_t count = std::min(room, piece.size());
      std::memcpy(to, piece.data(), count);
      to += count;
      piece = piece.subspan(count);
      if (count == room) close_block();
    }
  }
  if (to != block) close_block();
  return static_cast<std::size_t>(to - into.data());
}

namespace {

template <class T>
std::vector<std::byte> render_rows(T trailer, std::span<const footer_row> rows) {
  const auto row_bytes = std::as_bytes(rows);
  std::vector<std::byte> bytes(static_cast<std::size_t>(footer_bytes(rows.size())));
  if (!row_bytes.empty()) std::memcpy(bytes.data(), row_bytes.data(), row_bytes.size());
  trailer.rows = rows.size();
  trailer.rows_checksum = XXH3_64bits(row_bytes.data(), row_bytes.size());
  seal(trailer);
  std::memcpy(bytes.data() + bytes.size() - sector_bytes, &trailer, sizeof trailer);
  return bytes;
}

} // namespace

std::vector<std::byte> render_footer(std::uint64_t number, std::span<const footer_row> rows, std::uint64_t rows_at,
                                     std::uint64_t data_end) {
  segment_trailer trailer;
  trailer.number = number;
  trailer.rows_at = rows_at;
  trailer.data_end = data_end;
  return render_rows(trailer, rows);
}

std::vector<std::byte> render_notes(notes_trailer trailer, std::span<const footer_row> rows) {
  return render_rows(trailer, rows);
}

template <class T>
std::optional<std::vector<footer_row>> read_rows(const T& trailer, std::span<const std::byte> bytes) {
  if (trailer.rows > bytes.size() / sizeof(footer_row)) return std::nullopt;
  std::vector<footer_row> rows(static_cast<std::size_t>(trailer.rows));
  const std::size_t length = rows.size() * sizeof(footer_row);
  if (XXH3_64bits(bytes.data(), length) != trailer.rows_checksum) return std::nullopt;
  if (length > 0) std::memcpy(rows.data(), bytes.data(), length);
  return rows;
}
template std::optional<std::vector<footer_row>> read_rows(const segment_trailer&, std::span<const std::byte>);
template std::optional<std::vector<footer_row>> read_rows(const notes_trailer&, std::span<const std::byte>);

std::size_t verify_blocks(const key128& key, std::uint64_t offset, std::size_t payload,
                          std::span<const std::byte> stored) noexcept {
  std::size_t good = 0;
  for (std::size_t at = 0; good < payload; at += block_stride_bytes) {
    const std::size_t length = std::min(block_bytes, payload - good);
    if (stored.size() < at + length + checksum_bytes) break;
    std::uint64_t expected;
    std::memcpy(&expected, stored.data() + at + length, sizeof expected);
    if (block_checksum(key, offset + good, stored.subspan(at, length)) != expected) break;
    good += length;
  }
  return good;
}

void copy_payload(std::span<const std::byte> stored, std::size_t from, std::span<std::byte> into) noexcept {
  while (!into.empty()) {
    const std::size_t within = from % block_bytes;
    const std::size_t count = std::min(block_bytes - within, into.size());
    std::memcpy(into.data(), stored.data() + from / block_bytes * block_stride_bytes + within, count);
    into = into.subspan(count);
    from += count;
  }
}

} // namespace forebay::storage::disk
