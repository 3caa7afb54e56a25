// What the codes in stores' error answers mean, where the status alone does not tell.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"

namespace forebay::origin {

struct code_meaning {
  std::string_view code;
  std::optional<error_kind> kind; ///< in place of the status' own
  bool retryable = false;         ///< also where the status says otherwise
  std::string_view advice;        ///< for the person who reads the error; empty: the store's words do
};

/// Nothing for codes whose status says it all.
const code_meaning* find_code_meaning(std::string_view code) noexcept;

} // namespace forebay::origin
