// Half-open runs of bytes and the 4 KiB grain on which extents start and end.
#pragma once

#include <algorithm>
#include <cstdint>

namespace forebay {

/// Extents start and end on this grain (the page size: what the kernel can map, punch and DMA).
inline constexpr std::uint64_t grain_bytes = 4096;

/// Bytes [begin, end) of an object. Offsets are from the object's first byte.
struct byte_range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  constexpr std::uint64_t length_bytes() const noexcept { return end > begin ? end - begin : 0; }
  constexpr bool empty() const noexcept { return end <= begin; }
  constexpr bool contains(std::uint64_t offset) const noexcept { return offset >= begin && offset < end; }
  constexpr bool covers(byte_range other) const noexcept { return other.begin >= begin && other.end <= end; }
  constexpr bool overlaps(byte_range other) const noexcept { return begin < other.end && other.begin < end; }
  friend constexpr bool operator==(byte_range, byte_range) = default;
};

constexpr byte_range intersect(byte_range a, byte_range b) noexcept {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

constexpr std::uint64_t grain_floor(std::uint64_t offset) noexcept { return offset & ~(grain_bytes - 1); }
/// Rounds up without overflow: the last grain of the number space stays where it is.
constexpr std::uint64_t grain_ceil(std::uint64_t offset) noexcept {
  return offset > UINT64_MAX - (grain_bytes - 1) ? grain_floor(UINT64_MAX) : grain_floor(offset + grain_bytes - 1);
}
/// `range` grown to whole grains of an object of `length_bytes`.
constexpr byte_range grain_align(byte_range range, std::uint64_t length_bytes) noexcept {
  return {grain_floor(range.begin), std::min(grain_ceil(range.end), length_bytes)};
}

} // namespace forebay
