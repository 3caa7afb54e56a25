// The entries of a segment, without reading them all: from its footer, from what was noted while it was written, or by
// their heads.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/disk/format.h"
#include "storage/disk/volume.h"

namespace forebay::storage::disk {

/// What is noted at the end of a segment that is being written: a start need not look for these entries.
struct noted_rows {
  std::size_t count = 0;           ///< of the rows, from the first
  std::uint64_t to = sector_bytes; ///< where the last of these entries ends
  std::uint64_t at = 0;            ///< where the notes begin; the next piece ends here
};

struct scanned {
  std::vector<footer_row> rows;
  std::uint64_t end = sector_bytes; ///< of the last entry; not always a sector's
  std::uint32_t turn = 0;           ///< of the run that wrote it
  noted_rows noted;                 ///< of a segment without a footer
};
/// Rows of any segment: by its footer, or else by what was noted and, behind that, the heads of its entries.
struct told_rows {
  scanned found;
  bool has_footer = false;
};
told_rows read_segment_rows(file& in, std::uint64_t number, std::uint64_t segment_bytes);
/// All of its rows by the heads of its entries.
scanned scan_segment(file& in, std::uint64_t number, std::uint64_t segment_bytes);
/// Makes the log go on with the sector after the last entry, which is given back.
result<std::uint64_t> pad_tail(file& in, std::uint64_t number, const scanned& found);
/// Rows of a closed segment; not_found when it has no footer.
result<scanned> read_footer(file& in, std::uint64_t number, std::uint64_t segment_bytes);

} // namespace forebay::storage::disk
