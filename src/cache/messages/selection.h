// Which request fields chose a stored answer (RFC 9111 §4.1). Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "http/headers.h"

namespace forebay::cache::messages {

/// One field that Vary names, and what the request said in it, normalised; nothing where it said nothing.
struct selecting_field {
  std::string name; ///< lower case
  std::optional<std::string> value;
  friend bool operator==(const selecting_field&, const selecting_field&) = default;
};
using selection = std::vector<selecting_field>; ///< sorted by name; empty: no Vary

/// What of `request` chose an answer with these fields; nothing where its Vary holds "*": no request is like another.
std::optional<selection> selection_of(const http::header_table& response, const http::header_table& request);

/// Whether an answer that was chosen by `chosen_by` answers `request` as well. Where Accept-Language alone differs, an
/// answer in the one language that the request likes best still does.
bool selects(const selection& chosen_by, const http::header_table& response, const http::header_table& request);

} // namespace forebay::cache::messages
