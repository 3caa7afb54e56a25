// Who reads an object front to back: sequential detection and how far to fetch ahead. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "base/byte_range.h"

namespace forebay::cache {

/// Follows the range reads of one object. A reader (or several that take turns) whose ranges adjoin is a
/// stream; what is fetched ahead of it grows with what it has consumed, so that an abandoned read wastes at most
/// twice what was read, and a long one needs few requests. Sparse random reads never become a stream. Not
/// thread-safe: the version's lock guards it.
class read_streams {
public:
  /// Takes note of a read. Gives the offset up to which the bytes after it should be fetched now: at least
  /// `range.end`, more for a stream whose fetched-ahead part runs short. `window_limit` bounds the part ahead.
  std::uint64_t observe(byte_range range, std::uint64_t window_limit) noexcept;

private:
  struct stream {
    std::uint64_t start = 0;    ///< begin of its first read
    std::uint64_t next = 0;     ///< end of the furthest read
    std::uint64_t consumed = 0; ///< bytes read between these, in whatever order
    std::uint64_t fetched = 0;  ///< ordered up to here
    std::uint32_t reads = 0;
    std::uint64_t last_use = 0;
  };
  stream* match(byte_range range) noexcept;
  void merge_into(stream& mine, std::uint64_t near) noexcept;

  std::array<stream, 16> streams_{};
  std::uint64_t uses_ = 0;
};

} // namespace forebay::cache
