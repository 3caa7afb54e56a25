// The bytes of the log: segments, entries, footers (docs/reference/store-format.md).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "storage/keys.h"

namespace forebay::storage::disk {

/// Changes with every change of a byte's meaning. A newer one than ours is refused.
inline constexpr std::uint32_t format_version = 1;
/// Written as it is; a machine of the other byte order reads it reversed and refuses the directory.
inline constexpr std::uint32_t endian_mark = 0x01020304;
/// What is written and read at once is whole sectors: the largest that O_DIRECT asks for.
inline constexpr std::size_t sector_bytes = 4096;
/// Entries begin on this. A position in a segment counts these, so that it fits 22 bits.
inline constexpr std::size_t entry_align_bytes = 64;
/// Each block of a payload has a checksum of its own: damage costs one block, a read verifies only what it needs.
inline constexpr std::size_t block_bytes = 64 * 1024;
inline constexpr std::size_t checksum_bytes = 8;
/// From one block of an entry to the next: the block, its checksum, and zeros up to the next multiple of
/// `entry_align_bytes`, so that the part of an entry behind a damaged block is an entry of the index by itself.
inline constexpr std::size_t block_stride_bytes = block_bytes + entry_align_bytes;
/// Longest payload of an entry; 23 bits of the index.
inline constexpr std::size_t payload_bytes_max = 4u << 20;
/// Longest payload that is written to segments of a length: several fit one.
constexpr std::uint64_t payload_max(std::uint64_t segment_bytes) noexcept {
  return std::min<std::uint64_t>(payload_bytes_max, segment_bytes / 4);
}
/// Sequence numbers stay below it: what has a higher one is damaged.
inline constexpr std::uint64_t sequence_max = 1ull << 62;
inline constexpr std::uint64_t segment_bytes_min = 1u << 20;
inline constexpr std::uint64_t segment_bytes_max = 256u << 20;

enum class entry_kind : std::uint8_t { padding = 1, extent = 2, record = 3 };
inline constexpr std::uint8_t flag_kept = 1; ///< of a prefix that the operator keeps: eviction carries it over

/// Of a footer's row: a start found the entry by its head, so its blocks may have been torn before that.
inline constexpr std::uint8_t flag_found = 2;

/// In front of every payload. Host byte order (see `endian_mark`), no padding bytes.
struct entry_head {
  std::uint32_t magic = magic_value;
  entry_kind kind = entry_kind::padding;
  std::uint8_t flags = 0;
  std::uint16_t tenant = 0;
  std::uint32_t payload_bytes = 0; ///< without the checksums; padding: bytes after this head up to the next entry
  /// Of the run that wrote it: later runs have higher ones. An entry of an earlier run behind one of a later is none: a
  /// loss of power tore a hole, and that run closed it.
  std::uint32_t turn = 0;
  std::uint64_t sequence = 0; ///< of the store; later entries have higher ones, across segments
  key128 key;                 ///< version key of an extent, object key of a record
  std::uint64_t offset = 0;   ///< of an extent within the object
  std::uint64_t segment = 0;  ///< number of the segment that it was written to
  std::uint64_t checksum = 0; ///< XXH3-64 of what is before it

  static constexpr std::uint32_t magic_value = 0x4e454246; // "FBEN"
};
static_assert(sizeof(entry_head) == 64);

/// The first sector of a segment.
struct segment_head {
  char magic[8] = {'F', 'B', 'S', 'E', 'G', 'M', 'N', 'T'};
  std::uint32_t endian = endian_mark;
  std::uint32_t version = format_version;
  key128 store; ///< identity of the directory
  std::uint64_t number = 0;
  std::uint64_t segment_bytes = 0;
  std::uint32_t stream = 0; ///< 0: small, 1: main
  std::uint32_t reserved = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(segment_head) == 64);

/// One entry in the footer of a closed segment.
struct footer_row {
  entry_kind kind = entry_kind::padding;
  std::uint8_t flags = 0;
  std::uint16_t tenant = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t sequence = 0;
  key128 key;
  std::uint64_t offset = 0;
  std::uint32_t position = 0; ///< of the entry's head, in `entry_align_bytes`
  std::uint32_t reserved = 0;
};
static_assert(sizeof(footer_row) == 48);

/// The last sector of a closed segment.
struct segment_trailer {
  char magic[8] = {'F', 'B', 'F', 'O', 'O', 'T', 'E', 'R'};
  std::uint64_t number = 0;
  std::uint64_t rows = 0;
  std::uint64_t rows_at = 0; ///< offset of the first row, a sector
  std::uint64_t rows_checksum = 0;
  std::uint64_t data_end = 0; ///< where the last entry ends
  std::uint64_t checksum = 0;
};
static_assert(sizeof(segment_trailer) == 56);

/// Behind rows that were noted while a segment is being written, and in the last sector of its piece. The first piece
/// ends with the segment, each later one where the one before begins. The footer takes their place.
struct notes_trailer {
  char magic[8] = {'F', 'B', 'R', 'O', 'W', 'S', 'U', 'P'};
  std::uint64_t number = 0;
  std::uint64_t rows = 0;
  std::uint64_t rows_checksum = 0;
  std::uint64_t data_begin = 0; ///< the rows are those of the entries from here
  std::uint64_t data_end = 0;   ///< to here
  std::uint32_t turn = 0;       ///< of the last entry
  std::uint32_t reserved = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(notes_trailer) == 64);

/// The first sector of an index that was kept: what a start would find in the segments, as it was at one moment.
struct index_head {
  char magic[8] = {'F', 'B', 'I', 'N', 'D', 'E', 'X', 'S'};
  std::uint32_t endian = endian_mark;
  std::uint32_t version = format_version;
  key128 store;
  std::uint64_t segment_bytes = 0;
  std::uint64_t sequence = 0;     ///< of the store at that moment: nothing in here has a higher one
  std::uint64_t written = 0;      ///< highest one of an entry: what is put later has a higher one
  std::uint64_t last_number = 0;  ///< of a segment
  std::uint64_t members = 0;      ///< of the store then: `members_fingerprint`
  std::uint64_t entries = 0;      ///< to make room for at once
  std::uint64_t entry_pieces = 0; ///< these come first
  std::uint64_t pieces = 0;       ///< all told
  std::uint64_t checksum = 0;
};
static_assert(sizeof(index_head) == 104);

enum class index_rows : std::uint32_t { segments = 1, purges = 2, kept = 3, entries = 4 };

/// Behind the head follow pieces of `index_piece_bytes`, each with rows of one kind.
struct index_piece {
  std::uint64_t checksum = 0; ///< XXH3-64 of all that follows, to the last row
  std::uint64_t sequence = 0; ///< the head's
  std::uint64_t number = 0;   ///< of the piece, from 0
  index_rows kind = index_rows::segments;
  std::uint32_t rows = 0;
};
static_assert(sizeof(index_piece) == 32);
inline constexpr std::size_t index_piece_bytes = 64 * 1024;

/// What the index knows of a segment.
struct index_segment {
  static constexpr std::uint32_t all_rows = UINT32_MAX;
  static constexpr std::uint32_t flag_irregular = 1, flag_was_open = 2;
  std::uint64_t number = 0;
  std::uint64_t lowest_sequence = 0;
  std::uint64_t last_sequence = 0; ///< of the last row that the index knows
  std::uint32_t last_position = 0; ///< of the same
  std::uint32_t rows = all_rows;   ///< that it knows, from the first
  std::uint32_t slot = 0;
  std::uint16_t stream = 0;
  std::uint16_t flags = 0;
};
static_assert(sizeof(index_segment) == 40);

/// A purge that the index obeys already.
struct index_purge {
  key128 object;
  std::uint64_t sequence = 0;
};
static_assert(sizeof(index_purge) == 24);

/// What the operator keeps (`kept_versions`).
struct index_kept {
  std::uint64_t version_prefix = 0;
  key128 object;
};
static_assert(sizeof(index_kept) == 24);

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) noexcept { return (value + to - 1) / to * to; }
/// Bytes of an entry on disk: head, blocks each with its checksum, up to the next entry.
constexpr std::uint64_t stored_bytes(std::uint64_t payload) noexcept {
  const std::uint64_t rest = payload % block_bytes;
  return sizeof(entry_head) + payload / block_bytes * block_stride_bytes +
         (rest == 0 ? 0 : round_up(rest + checksum_bytes, entry_align_bytes));
}
/// Where block `index` of an entry at `position` (bytes) begins in the segment.
constexpr std::uint64_t block_position(std::uint64_t position, std::uint64_t index) noexcept {
  return position + sizeof(entry_head) + index * block_stride_bytes;
}
/// Room that the footer of `rows` entries takes at the end of a segment.
constexpr std::uint64_t footer_bytes(std::uint64_t rows) noexcept {
  return round_up(rows * sizeof(footer_row), sector_bytes) + sector_bytes;
}

/// Checksum of a block: XXH3-64 seeded with where it belongs, so that a block of another object, or from another
/// place, never passes for this one. XXH3 and not CRC32C: 64 bits, and several times the speed where the processor
/// has no carry-less multiplication.
std::uint64_t block_checksum(const key128& key, std::uint64_t offset, std::span<const std::byte> block) noexcept;

/// Sets `checksum` of a head or a trailer to what belongs there.
template <class T>
void seal(T& head) noexcept;
/// Reads a head; nothing when magic or checksum are wrong.
std::optional<entry_head> read_entry_head(std::span<const std::byte> from) noexcept;
std::optional<segment_trailer> read_trailer(std::span<const std::byte> sector) noexcept;
std::optional<notes_trailer> read_notes_trailer(std::span<const std::byte> sector) noexcept;
/// Nothing, too, for another byte order or version: an index is only ever a short cut.
std::optional<index_head> read_index_head(std::span<const std::byte> sector) noexcept;
/// A segment's head, or why it is none of ours: `broken` (damaged), `unsupported` (newer, other byte order).
result<segment_head> read_segment_head(std::span<const std::byte> sector);
/// Writes head, blocks and checksums of an entry into `into` (at least `stored_bytes`; the rest is zeroed). `pieces`
/// are the payload. Gives the number of bytes written.
std::size_t write_entry(entry_head head, std::span<const std::span<const std::byte>> pieces,
                        std::span<std::byte> into) noexcept;
/// Sector-aligned footer rows and trailer as they stand on disk.
std::vector<std::byte> render_footer(std::uint64_t number, std::span<const footer_row> rows, std::uint64_t rows_at,
                                     std::uint64_t data_end);
/// The rows of a footer, or of notes, whose bytes match the trailer; nothing when damaged.
template <class T>
std::optional<std::vector<footer_row>> read_rows(const T& trailer, std::span<const std::byte> bytes);
/// A piece of notes as it stands on disk, `footer_bytes(rows.size())` long; number, range and turn are the trailer's.
std::vector<std::byte> render_notes(notes_trailer trailer, std::span<const footer_row> rows);

/// Verifies blocks as they lie on disk, `payload` bytes that begin with a block at `offset` of the object. Gives the
/// bytes of the good run from the front.
std::size_t verify_blocks(const key128& key, std::uint64_t offset, std::size_t payload,
                          std::span<const std::byte> stored) noexcept;
/// Copies payload bytes [from, from + into.size()) of such blocks, without what lies between them.
void copy_payload(std::span<const std::byte> stored, std::size_t from, std::span<std::byte> into) noexcept;

} // namespace forebay::storage::disk
