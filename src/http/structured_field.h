// Structured field values (RFC 9651): dictionaries, as targeted cache control and digest preferences use them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace forebay::http::structured {

/// A token, told from a string.
struct token {
  std::string text;
  friend bool operator==(const token&, const token&) = default;
};
/// A byte sequence, decoded.
struct bytes {
  std::string text;
  friend bool operator==(const bytes&, const bytes&) = default;
};
/// Seconds since 1970.
struct date {
  std::int64_t seconds = 0;
  friend bool operator==(const date&, const date&) = default;
};
/// A string that may hold any Unicode character, as UTF-8.
struct display_string {
  std::string text;
  friend bool operator==(const display_string&, const display_string&) = default;
};

using bare_item = std::variant<std::int64_t, double, std::string, token, bytes, bool, date, display_string>;
using parameters = std::vector<std::pair<std::string, bare_item>>;

struct item {
  bare_item value;
  parameters with;
};
struct inner_list {
  std::vector<item> items;
  parameters with;
};
struct member {
  std::string key;
  std::variant<item, inner_list> value;
};
/// In the order of the keys' first appearance; of equal keys the last value counts.
using dictionary = std::vector<member>;

/// The dictionary that all lines of a field, joined by commas, spell; nothing where they do not: the field is then to
/// be ignored as a whole (RFC 9651 §4.2).
std::optional<dictionary> parse_dictionary(std::string_view text);

/// The member of that key, or null.
const member* find(const dictionary& in, std::string_view key) noexcept;

/// `text` as a string of RFC 9651 §4.1.6; what no string can hold is replaced by '?'.
std::string format_string(std::string_view text);

} // namespace forebay::http::structured
