// For tests of the memory tier: bytes that tell where they belong, and a look at the tier's own books.
#pragma once

#include <cstring>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <vector>

#include "storage/memory_tier_impl.h"

namespace forebay::storage {

/// Recounts everything that the tier counts. For moments when no other thread is inside it.
class memory_tier_access {
public:
  static void audit(const memory_tier& tier) {
    const memory_tier::impl& in = *tier.impl_;
    const std::lock_guard guard(in.lock);
    std::vector<bool> taken(in.space->pages());
    std::uint64_t held_bytes = 0, blocks = 0, page_bytes = 0;
    for (const auto* chunk = in.blocks.chunks(); chunk != nullptr; chunk = chunk->after)
      for (const held_block& each : chunk->items) {
        if (each.state == block_state::unused) continue;
        page_bytes += each.page_bytes();
        for (std::uint32_t page = each.first_page; page < each.first_page + each.page_count; ++page) {
          ASSERT_FALSE(taken[page]) << "page " << page << " is in two blocks";
          taken[page] = true;
        }
        ASSERT_TRUE(each.state != block_state::waiting || each.pins() == 0);
        if (!each.indexed()) continue;
        held_bytes += each.page_bytes();
        ++blocks;
        ASSERT_GE(each.pins(), each.state == block_state::filling ? 2u : 1u);
        ASSERT_EQ(in.index.covering(each.version(), each.offset()), &each);
        ASSERT_EQ(in.index.covering(each.version(), each.offset() + each.capacity_bytes() - 1), &each);
      }
    ASSERT_EQ(held_bytes, in.held_bytes);
    ASSERT_EQ(blocks, in.held_blocks);
    ASSERT_EQ(page_bytes, in.page_bytes);
    ASSERT_EQ(in.space->free_pages() + page_bytes / grain_bytes, in.space->pages());
    struct stat file {};
    ASSERT_EQ(::fstat(in.space->fd(), &file), 0);
    ASSERT_LE(static_cast<std::uint64_t>(file.st_blocks) * 512, page_bytes)
        << "the system holds pages that nobody counts";
  }

  static std::uint64_t used_bytes(const memory_tier& tier) {
    const std::lock_guard guard(tier.impl_->lock);
    return tier.impl_->used_bytes();
  }
  static int fd(const memory_tier& tier) { return tier.impl_->space->fd(); }
};

namespace testing_bytes {

inline version_key version_of(std::uint64_t number) {
  version_key key;
  std::memcpy(key.bytes.data(), &number, sizeof number);
  key.bytes[15] = static_cast<std::uint8_t>(~number);
  return key;
}

/// The eight bytes of a version at a multiple of eight: no two versions and no two places share a pattern.
inline std::uint64_t word_at(std::uint64_t version, std::uint64_t offset) {
  const std::uint64_t word = (offset / 8 + 1) * 0x9E3779B97F4A7C15ull ^ (version + 1) * 0xD6E8FEB86659FD93ull;
  return word ^ (word >> 29);
}

/// Calls `step(at, bytes, count)` for each piece of [offset, offset + length) that lies in one word.
template <class F>
void for_each_word(std::uint64_t version, std::uint64_t offset, std::size_t length, F step) {
  for (std::size_t at = 0; at < length;) {
    const std::uint64_t word = word_at(version, offset + at);
    const std::size_t skip = (offset + at) % 8;
    const std::size_t count = std::min(8 - skip, length - at);
    step(at, reinterpret_cast<const std::byte*>(&word) + skip, count);
    at += count;
  }
}

inline void fill(std::span<std::byte> into, std::uint64_t version, std::uint64_t offset) {
  for_each_word(version, offset, into.size(), [into](std::size_t at, const std::byte* bytes, std::size_t count) {
    std::memcpy(into.data() + at, bytes, count);
  });
}

inline bool matches(std::span<const std::byte> seen, std::uint64_t version, std::uint64_t offset) {
  bool same = true;
  for_each_word(version, offset, seen.size(), [&](std::size_t at, const std::byte* bytes, std::size_t count) {
    same = same && std::memcmp(seen.data() + at, bytes, count) == 0;
  });
  return same;
}

/// Reserves, writes and commits [offset, offset + length), block by block.
inline result<void> store(memory_tier& tier, std::uint64_t version, std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = offset + length;
  while (offset < end) {
    auto reserved = tier.reserve(version_of(version), offset, end - offset, 0);
    if (!reserved) return fail(std::move(reserved.error()));
    const auto into = (*reserved)->writable();
    fill(into, version, offset);
    (*reserved)->publish(into.size());
    offset += into.size();
    reserved->commit(offset == end);
  }
  return {};
}

} // namespace testing_bytes
} // namespace forebay::storage
