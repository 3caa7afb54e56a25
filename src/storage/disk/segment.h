// A segment as the shelf knows it, and the one that is being written.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "storage/disk/format.h"
#include "storage/disk/segment_index.h"
#include "storage/disk/segment_rows.h"
#include "storage/disk/volume.h"

namespace forebay::storage::disk {

enum class stream_kind : std::uint8_t { small = 0, main = 1 };

/// Shared by the table, readers and the writer; the file of an evicted one lives until its last reader is done.
struct segment {
  std::uint64_t number = 0; ///< of the directory: later ones are higher
  std::uint32_t slot = 0;
  stream_kind stream = stream_kind::small;
  std::atomic<std::int64_t> live_bytes{0}; ///< payload that the index points to
  std::atomic<std::uint64_t> lowest_sequence{UINT64_MAX};
  /// The footer does not tell all of the index's entries in here (a damaged block split one, or there is no footer).
  std::atomic<bool> irregular{false};
  std::atomic<bool> lost{false}; ///< its file is gone
  std::atomic<bool> has_footer{false};
  /// Its end was found by scanning: a write may have been torn, which is no sign of a bad disk.
  bool was_open = false;

  std::mutex mutex; ///< guards what follows
  std::shared_ptr<file> kept_file;
  bool dropped = false; ///< evicted: late readers keep no file open

  std::string file_name() const;
};

/// Whether an entry can lie where the row says, and be what it says. A checksum that is right does not tell that: the
/// index has no room for more.
bool plausible(const footer_row& row, std::uint64_t segment_bytes) noexcept;
/// Where an entry lies, as the footer of the segment in `slot` tells it.
place place_of(const footer_row& row, std::uint32_t slot) noexcept;

/// Bytes of a file, with the rest of the sectors in which they lie.
struct sector_span {
  sector_buffer sectors;
  std::size_t lead = 0; ///< bytes of `sectors` before the first one
  std::span<const std::byte> bytes() const noexcept { return sectors.span().subspan(lead); }
};
/// The bytes [begin, end) of a segment, read as `file::read` wants it.
result<sector_span> read_sectors(file& from, std::uint64_t begin, std::uint64_t end);

std::string segment_file_name(std::uint64_t number);
/// Number of a segment's file name; nothing for other files, also for a number that is written in another way.
std::optional<std::uint64_t> segment_number(const std::string& file_name);

/// The segment at the head of a stream. Belongs to the writer.
class open_segment {
public:
  /// What happens in the index once an entry's bytes are in the file.
  struct pending {
    footer_row row;
    unsigned uses = 0;
    std::vector<std::pair<place, std::uint64_t>> from; ///< survivors: where the parts lay, and their offsets
  };

  open_segment(std::shared_ptr<segment> of, std::shared_ptr<file> into, std::uint64_t segment_bytes,
               std::size_t batch_bytes, std::uint64_t begin, std::vector<footer_row> rows, noted_rows noted);

  segment& of() const noexcept { return *of_; }
  const std::shared_ptr<segment>& shared() const noexcept { return of_; }
  bool fits(std::uint64_t payload) const noexcept;
  /// True when `flush` should come before more is added.
  bool full() const noexcept { return at_ - staged_at_ >= batch_bytes_; }
  bool dirty() const noexcept { return at_ > staged_at_; }
  std::uint64_t staged_bytes() const noexcept { return at_ - staged_at_; }
  /// `turn`: of this run.
  void add(entry_head head, std::uint32_t turn, std::span<const std::span<const std::byte>> pieces, pending then);
  /// Writes what is staged; gives the entries that are on disk now.
  result<std::vector<pending>> flush();
  /// Notes the rows that are on disk at the segment's end, once `every_bytes` were appended since it last did; nothing
  /// where there is no room left. What notes do not tell, a start has to look for. Flushed before.
  result<void> note_rows(std::uint64_t every_bytes);
  /// Nothing is added after this; what `add` needed is given back. Flushed before.
  void end() { staged_ = sector_buffer(0); }
  /// Footer and trailer, durable as everything before them: in a segment with a footer, damage is the disk's.
  result<void> close();
  /// What a flush that failed leaves.
  const std::vector<pending>& not_written() const noexcept { return pending_; }
  std::uint64_t written_bytes() const noexcept { return written_bytes_; }
  const std::vector<footer_row>& rows() const noexcept { return rows_; }

private:
  std::shared_ptr<segment> of_;
  std::shared_ptr<file> file_;
  const std::uint64_t segment_bytes_;
  const std::size_t batch_bytes_;
  std::uint64_t at_;        ///< where the next entry goes
  std::uint64_t staged_at_; ///< a sector: what is before it is in the file
  sector_buffer staged_;
  std::uint32_t turn_ = 0; ///< of what was added last
  std::vector<footer_row> rows_;
  noted_rows noted_;
  std::vector<pending> pending_;
  std::uint64_t written_bytes_ = 0;
};

} // namespace forebay::storage::disk
