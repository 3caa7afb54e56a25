// The pages of the memory tier: one sparse memory file, handed out in runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "storage/page_bitmap.h"

namespace forebay::storage {

/// Consecutive pages of the file, each a grain long.
struct page_run {
  std::uint32_t first = 0;
  std::uint32_t count = 0;

  std::uint64_t offset_bytes() const noexcept { return first * grain_bytes; }
  std::uint64_t length_bytes() const noexcept { return count * grain_bytes; }
};

constexpr std::uint64_t pages_for(std::uint64_t bytes) noexcept { return (bytes + grain_bytes - 1) / grain_bytes; }

/// A memfd, mapped shared, and a buddy allocator over its page numbers. Free runs hold no memory: they were never
/// touched, or were punched out. So page numbers cost nothing but two bits each, the file may be longer than the
/// tier's capacity (the tier counts pages, not addresses), and long runs stay easy to find.
///
/// Runs are found by lowest address in the smallest order that fits; what a run does not need of its power of two
/// goes back at once. For one thread at a time (the tier's lock), but for `punch` and `fd`, which any thread may call.
///
/// Pages must be first touched through the mapping, never by write(2) on the file: the mapping refuses huge pages, and
/// punching a part of a huge page would zero it in place, under the feet of a socket that still sends it.
class page_space {
public:
  /// The longest file: page numbers have 32 bits (16 TiB).
  static constexpr std::uint64_t pages_max = std::uint64_t{1} << 32;

  /// `pages`, rounded up to `run_pages_max` (a power of two, the longest run). exhausted or unsupported with the
  /// system's reason when there is no memory file, no address space, or holes cannot be punched.
  static result<std::unique_ptr<page_space>> open(std::uint64_t pages, std::uint32_t run_pages_max);
  ~page_space();
  page_space(const page_space&) = delete;
  page_space& operator=(const page_space&) = delete;

  /// At least `pages` in all from now on; nothing changes on failure.
  result<void> grow(std::uint64_t pages);

  /// A run of `pages` (at most `run_pages_max`), or the longest there is when none is that long; `count` is 0 when
  /// every page is taken.
  page_run allocate(std::uint32_t pages) noexcept;
  /// Takes back a run, or a part of one, that holds no memory.
  void release(page_run run) noexcept;
  /// Gives the run's memory back to the system. Whoever still holds its pages, a socket's send queue for one, keeps
  /// the bytes as they are; the next touch gets fresh zeroed pages. False when the system refused.
  bool punch(page_run run) const noexcept;

  /// Gives pages that hold no memory yet some, all in one call: a fault for each costs as much again. As far as the
  /// system likes; what it leaves out comes when it is written. `pages` begin where `address` said.
  static void touch(std::span<std::byte> pages) noexcept;

  std::byte* address(page_run run) const noexcept;
  int fd() const noexcept { return fd_; }
  std::uint64_t pages() const noexcept { return pages_; }
  std::uint64_t free_pages() const noexcept { return free_pages_; }
  std::size_t memory_bytes() const noexcept;

private:
  struct region { ///< one mapping; a run never crosses from one to the next
    std::uint64_t first_page, pages;
    std::byte* base;
  };

  page_space(int fd, std::uint32_t run_pages_max);
  void put(std::size_t index, unsigned order) noexcept;

  int fd_;
  std::uint64_t pages_ = 0, free_pages_ = 0;
  std::vector<region> regions_;
  std::vector<page_bitmap> free_; ///< by order: the free runs of 2^order pages that have no free buddy
};

} // namespace forebay::storage
