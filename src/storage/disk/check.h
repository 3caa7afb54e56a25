// A directory of the disk tier, looked at from outside: what lies in it, and whether it is whole.
#pragma once

#include "storage/disk/volume.h"
#include "storage/keys.h"

namespace forebay::storage::disk {

struct damaged_extent {
  std::string file;
  std::uint64_t position = 0; ///< of the entry in the segment
  key128 key;                 ///< of the version, or of the object for a record
  std::uint64_t offset = 0;   ///< of the first damaged block within the object
  bool record = false;
};

struct check_report {
  std::uint64_t segments = 0, open_segments = 0, unreadable_segments = 0;
  std::uint64_t extents = 0, records = 0;
  std::uint64_t payload_bytes = 0;  ///< of both
  std::uint64_t disk_bytes = 0;     ///< of the segments
  std::uint64_t verified_bytes = 0; ///< payload read and right
  std::uint64_t purges = 0;         ///< lines of the control log
  bool purges_damaged = false;
  std::uint64_t index_entries = 0; ///< of the index that was kept; a start may know more
  bool index_damaged = false;      ///< a start reads the segments instead: nothing is lost
  std::uint64_t damaged = 0;
  std::vector<damaged_extent> first_damaged; ///< at most `damaged_listed`
  static constexpr std::size_t damaged_listed = 1000;
  bool whole() const noexcept { return damaged == 0 && unreadable_segments == 0 && !purges_damaged; }
};

/// Walks all segments; with `verify` every block of every entry is read. Nothing is changed. Errors as of opening a
/// shelf: not one of Forebay's, newer, the other byte order.
result<check_report> check_directory(volume& in, bool verify);

} // namespace forebay::storage::disk
