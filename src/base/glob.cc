// glob_match of text.h: a set of pattern positions moves over the path, so no pattern can blow up.
#include <array>
#include <bit>
#include <cstdint>
#include <utility>

#include "base/text.h"

namespace forebay {
namespace {

/// Positions in the pattern that the path read so far may stand at.
class position_set {
public:
  void add(std::size_t at) noexcept { words_[at / 64] |= 1ull << (at % 64); }
  bool has(std::size_t at) const noexcept { return (words_[at / 64] >> (at % 64) & 1) != 0; }
  void clear(std::size_t words) noexcept {
    for (std::size_t i = 0; i < words; ++i) words_[i] = 0;
  }
  std::uint64_t word(std::size_t index) const noexcept { return words_[index]; }

private:
  std::array<std::uint64_t, (glob_pattern_bytes_max + 1) / 64> words_{};
};

enum class token_kind { literal, any_byte, star, double_star, byte_class };

struct token {
  token_kind kind;
  std::size_t length; ///< in the pattern
  char literal = 0;
};

/// Where the class that begins at `at` closes; npos: it never does, and '[' is a literal.
std::size_t class_end(std::string_view pattern, std::size_t at) noexcept {
  std::size_t first = at + 1;
  if (first < pattern.size() && (pattern[first] == '!' || pattern[first] == '^')) ++first;
  return first < pattern.size() ? pattern.find(']', first + 1) : std::string_view::npos; // "[]]": ']' as a member
}

token token_at(std::string_view pattern, std::size_t at) noexcept {
  switch (pattern[at]) {
  case '*':
    if (at + 1 < pattern.size() && pattern[at + 1] == '*') return {token_kind::double_star, 2};
    return {token_kind::star, 1};
  case '?': return {token_kind::any_byte, 1};
  case '\\':
    if (at + 1 < pattern.size()) return {token_kind::literal, 2, pattern[at + 1]};
    return {token_kind::literal, 1, '\\'};
  case '[': {
    const std::size_t end = class_end(pattern, at);
    if (end != std::string_view::npos) return {token_kind::byte_class, end - at + 1};
    return {token_kind::literal, 1, '['};
  }
  default: return {token_kind::literal, 1, pattern[at]};
  }
}

/// `text` is the class with its brackets.
bool class_contains(std::string_view text, char c) noexcept {
  std::string_view members = text.substr(1, text.size() - 2);
  const bool negated = members.front() == '!' || members.front() == '^';
  if (negated) members.remove_prefix(1);
  const auto byte = static_cast<unsigned char>(c);
  bool found = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto low = static_cast<unsigned char>(members[i]);
    if (i + 2 < members.size() && members[i + 1] == '-') {
      found = found || (byte >= low && byte <= static_cast<unsigned char>(members[i + 2]));
      i += 2;
    } else {
      found = found || byte == low;
    }
  }
  return found != negated;
}

/// Adds `at` and every position that is reached from it without reading a byte.
void add_closure(position_set& set, std::string_view pattern, std::size_t at) noexcept {
  while (!set.has(at)) {
    set.add(at);
    if (at == pattern.size()) return;
    const token next = token_at(pattern, at);
    if (next.kind != token_kind::star && next.kind != token_kind::double_star) return;
    const bool segment_start = at == 0 || pattern[at - 1] == '/';
    const std::size_t after = at + next.length;
    if (next.kind == token_kind::double_star && segment_start && after < pattern.size() && pattern[after] == '/') {
      add_closure(set, pattern, after + 1); // "**/" stands for no segment
    }
    at = after;
  }
}

/// Moves one position over one byte.
void step(position_set& into, std::string_view pattern, std::size_t at, char c) noexcept {
  const token here = token_at(pattern, at);
  switch (here.kind) {
  case token_kind::literal:
    if (here.literal == c) add_closure(into, pattern, at + here.length);
    return;
  case token_kind::any_byte:
    if (c != '/') add_closure(into, pattern, at + here.length);
    return;
  case token_kind::byte_class:
    if (c != '/' && class_contains(pattern.substr(at, here.length), c)) add_closure(into, pattern, at + here.length);
    return;
  case token_kind::star:
    if (c != '/') add_closure(into, pattern, at);
    return;
  case token_kind::double_star: {
    // Staying inside must not offer "no segment" again: "**/x" may pass "ab" only together with its '/'.
    // Earlier positions moved first, so what they add at `at` is already complete.
    into.add(at);
    add_closure(into, pattern, at + here.length);
    return;
  }
  }
}

} // namespace

bool glob_match(std::string_view pattern, std::string_view path) noexcept {
  if (pattern.size() > glob_pattern_bytes_max) return false;
  const std::size_t words = pattern.size() / 64 + 1;
  position_set now;
  position_set next;
  add_closure(now, pattern, 0);
  for (const char c : path) {
    next.clear(words);
    for (std::size_t index = 0; index < words; ++index) {
      for (std::uint64_t rest = now.word(index); rest != 0; rest &= rest - 1) {
        const std::size_t at = index * 64 + static_cast<std::size_t>(std::countr_zero(rest));
        if (at < pattern.size()) step(next, pattern, at, c);
      }
    }
    bool alive = false;
    for (std::size_t index = 0; index < words && !alive; ++index) alive = next.word(index) != 0;
    if (!alive) return false;
    std::swap(now, next);
  }
  return now.has(pattern.size());
}

} // namespace forebay
