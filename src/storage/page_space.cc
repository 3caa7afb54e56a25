#include "storage/page_space.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace forebay::storage {
namespace {

tl::unexpected<error> refused(error_kind kind, std::string_view what, int number) {
  return fail(kind, "memory tier", std::string(what) + ": " + std::generic_category().message(number));
}

/// Fewer bytes are as well touched by their faults.
constexpr std::size_t touched_bytes_min = 4 * grain_bytes;

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) { return (value + step - 1) / step * step; }

} // namespace

page_space::page_space(int fd, std::uint32_t run_pages_max)
    : fd_(fd), free_(static_cast<std::size_t>(std::bit_width(run_pages_max))) {}

page_space::~page_space() {
  for (const region& mapped : regions_) ::munmap(mapped.base, mapped.pages * grain_bytes);
  ::close(fd_);
}

result<std::unique_ptr<page_space>> page_space::open(std::uint64_t pages, std::uint32_t run_pages_max) {
  assert(std::has_single_bit(run_pages_max));
  const int fd = ::memfd_create("forebay-memory-tier", MFD_CLOEXEC);
  if (fd < 0) return refused(error_kind::unsupported, "memfd_create", errno);
  std::unique_ptr<page_space> made(new page_space(fd, run_pages_max));
  auto grown = made->grow(pages);
  if (!grown) return fail(std::move(grown.error()));
  // What eviction depends on is found out now, not when the memory is full.
  if (!made->punch({0, 1})) return refused(error_kind::unsupported, "punching a hole into a memory file", errno);
  return made;
}

result<void> page_space::grow(std::uint64_t pages) {
  const std::uint64_t step = std::uint64_t{1} << (free_.size() - 1);
  const std::uint64_t wanted = round_up(pages, step);
  if (wanted <= pages_) return {};
  if (wanted > pages_max) return fail(error_kind::invalid_input, "memory tier", "more than 2^32 pages");
  const std::uint64_t more = wanted - pages_;
  if (::ftruncate(fd_, static_cast<off_t>(wanted * grain_bytes)) != 0)
    return refused(error_kind::exhausted, "growing the memory file", errno);
  void* base = ::mmap(nullptr, more * grain_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_,
                      static_cast<off_t>(pages_ * grain_bytes));
  if (base == MAP_FAILED) {
    const int number = errno;
    [[maybe_unused]] const int back = ::ftruncate(fd_, static_cast<off_t>(pages_ * grain_bytes));
    return refused(error_kind::exhausted, "mapping the memory file", number);
  }
  // Kernels without huge pages know neither advice and need none.
  ::madvise(base, more * grain_bytes, MADV_NOHUGEPAGE);
  ::madvise(base, more * grain_bytes, MADV_DONTDUMP);
  regions_.push_back({pages_, more, static_cast<std::byte*>(base)});
  for (unsigned order = 0; order < free_.size(); ++order) free_[order].resize(wanted >> order);
  for (std::uint64_t at = pages_; at < wanted; at += step)
    release({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(step)});
  pages_ = wanted;
  return {};
}

page_run page_space::allocate(std::uint32_t pages) noexcept {
  assert(pages > 0 && pages <= 1u << (free_.size() - 1));
  const auto wanted = static_cast<unsigned>(std::bit_width(pages - 1));
  unsigned order = wanted;
  std::size_t index = page_bitmap::none;
  for (; order < free_.size(); ++order)
    if ((index = free_[order].find_first()) != page_bitmap::none) break;
  if (index == page_bitmap::none) // none is long enough: the longest of the shorter ones
    for (order = wanted; order-- > 0;)
      if ((index = free_[order].find_first()) != page_bitmap::none) break;
  if (index == page_bitmap::none) return {};
  free_[order].clear(index);
  const std::uint32_t length = 1u << order;
  free_pages_ -= length;
  const page_run run{static_cast<std::uint32_t>(index << order), std::min(pages, length)};
  if (run.count < length) release({run.first + run.count, length - run.count});
  return run;
}

void page_space::release(page_run run) noexcept {
  free_pages_ += run.count;
  while (run.count > 0) {
    const int aligned = run.first == 0 ? 31 : std::countr_zero(run.first);
    const int fits = std::bit_width(run.count) - 1;
    const auto order = static_cast<unsigned>(std::min({aligned, fits, static_cast<int>(free_.size()) - 1}));
    put(run.first >> order, order);
    run.first += 1u << order;
    run.count -= 1u << order;
  }
}

void page_space::put(std::size_t index, unsigned order) noexcept {
  assert(!free_[order].test(index));
  for (; order + 1 < free_.size() && free_[order].test(index ^ 1); ++order, index /= 2) free_[order].clear(index ^ 1);
  free_[order].set(index);
}

bool page_space::punch(page_run run) const noexcept {
  int failed;
  do {
    failed = ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(run.offset_bytes()),
                         static_cast<off_t>(run.length_bytes()));
  } while (failed != 0 && errno == EINTR);
  return failed == 0;
}

void page_space::touch(std::span<std::byte> pages) noexcept {
#ifdef MADV_POPULATE_WRITE // through the mapping, whose advice against huge pages holds here too
  if (pages.size() >= touched_bytes_min) ::madvise(pages.data(), pages.size(), MADV_POPULATE_WRITE);
#endif
}

std::byte* page_space::address(page_run run) const noexcept {
  auto above = std::upper_bound(regions_.begin(), regions_.end(), run.first,
                                [](std::uint64_t page, const region& mapped) { return page < mapped.first_page; });
  const region& mapped = *std::prev(above);
  return mapped.base + (run.first - mapped.first_page) * grain_bytes;
}

std::size_t page_space::memory_bytes() const noexcept {
  std::size_t bytes = sizeof *this + regions_.capacity() * sizeof(region) + free_.capacity() * sizeof(page_bitmap);
  for (const page_bitmap& order : free_) bytes += order.memory_bytes();
  return bytes;
}

} // namespace forebay::storage
