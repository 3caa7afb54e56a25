// What was written, before anybody knows what it means: values with their places. For config*.cc alone.
//
// toml++ is used in config_document.cc and nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/config.h"

namespace forebay::app {

/// toml++ reads a megabyte in well under a second; no configuration comes near.
inline constexpr std::size_t document_bytes_max = 1u << 20;

struct raw_entry;

/// A value of TOML, or the bare text of a variable or flag.
struct raw_value {
  struct moment {}; ///< dates and times: no setting takes one
  using list = std::vector<raw_value>;
  using table = std::vector<raw_entry>;

  place at;
  std::variant<moment, bool, std::int64_t, double, std::string, list, table> data;
  bool bare = false; ///< a string that was written without quotes, outside a file: it may mean a number or a boolean

  /// For mistakes: `the string "4G"`, `the number 5`, `a table`. Long strings are cut, control characters escaped.
  std::string describe() const;
};

struct raw_entry {
  std::string key;
  place at; ///< of the key
  raw_value value;
};

/// The file's top table; the mistake of syntax that ended the reading otherwise.
tl::expected<raw_value, mistake> parse_document(std::string_view text, const std::string& source);

/// The value of a variable or flag. `[...]`, `{...}` and quoted strings are TOML; all else is bare text.
tl::expected<raw_value, mistake> parse_override(std::string_view text, const std::string& source,
                                                const std::string& key);

/// `text` as a TOML basic string, with its quotes.
std::string toml_string(std::string_view text);

} // namespace forebay::app
