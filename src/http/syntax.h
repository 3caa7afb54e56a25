// Small grammars that several parsers share (RFC 9110 §5.6).
#pragma once

#include <array>
#include <string_view>

#include "base/text.h"

namespace forebay::http {

namespace detail {
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
inline constexpr std::array<bool, 256> token_table = make_token_table();
} // namespace detail

/// tchar (RFC 9110 §5.6.2).
constexpr bool is_token_character(char c) noexcept { return detail::token_table[static_cast<unsigned char>(c)]; }

constexpr bool is_token(std::string_view text) noexcept {
  for (const char c : text)
    if (!is_token_character(c)) return false;
  return !text.empty();
}

/// Calls `visit` with each non-empty member of a comma-separated list of tokens.
template <class F>
void each_member(std::string_view list, F&& visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view member = trim(list.substr(0, comma));
    if (!member.empty()) visit(member);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

} // namespace forebay::http
