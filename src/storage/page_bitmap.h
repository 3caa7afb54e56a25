// A set of small integers that finds its lowest member in a few steps, at one bit a candidate.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace forebay::storage {

/// Bits in words of 64, and above each level of words a level with one bit a word ("there is something below"), up
/// to a single word: `find_first` reads one word a level, four for 16 million bits. Not thread-safe.
class page_bitmap {
public:
  static constexpr std::size_t none = SIZE_MAX;

  explicit page_bitmap(std::size_t bits = 0) { resize(bits); }

  /// Grows to `bits`; what is new is clear. Never shrinks.
  void resize(std::size_t bits) {
    std::vector<std::uint64_t> words = levels_.empty() ? std::vector<std::uint64_t>{} : std::move(levels_.front());
    words.resize(std::max(words.size(), words_for(bits)));
    levels_.clear();
    levels_.push_back(std::move(words));
    while (levels_.back().size() > 1) {
      const auto& below = levels_.back();
      std::vector<std::uint64_t> above(words_for(below.size()));
      for (std::size_t word = 0; word < below.size(); ++word)
        if (below[word] != 0) above[word / 64] |= bit(word);
      levels_.push_back(std::move(above));
    }
  }

  bool test(std::size_t at) const noexcept { return (levels_[0][at / 64] & bit(at)) != 0; }

  void set(std::size_t at) noexcept {
    for (auto& level : levels_) {
      const bool known = level[at / 64] != 0;
      level[at / 64] |= bit(at);
      if (known) return; // the levels above say so already
      at /= 64;
    }
  }

  void clear(std::size_t at) noexcept {
    for (auto& level : levels_) {
      level[at / 64] &= ~bit(at);
      if (level[at / 64] != 0) return;
      at /= 64;
    }
  }

  /// The lowest member, or `none`.
  std::size_t find_first() const noexcept {
    std::size_t at = 0;
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
      const std::uint64_t word = (*level)[at];
      if (word == 0) return none; // only the topmost word can be empty here
      at = at * 64 + static_cast<std::size_t>(std::countr_zero(word));
    }
    return at;
  }

  std::size_t memory_bytes() const noexcept {
    std::size_t words = 0;
    for (const auto& level : levels_) words += level.size();
    return words * sizeof(std::uint64_t);
  }

private:
  static std::size_t words_for(std::size_t bits) noexcept { return bits == 0 ? 1 : (bits + 63) / 64; }
  static std::uint64_t bit(std::size_t at) noexcept { return std::uint64_t{1} << (at % 64); }

  std::vector<std::vector<std::uint64_t>> levels_;
};

} // namespace forebay::storage
