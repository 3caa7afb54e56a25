// What a 304 repeats of its representation.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"

namespace forebay::http {

/// RFC 9110 §15.4.5, and Last-Modified for clients that know nothing else. Date and Age are of each answer.
inline bool is_in_not_modified(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 6> names{"cache-control", "content-location", "etag", "expires",
                                                         "vary",          "last-modified"};
  return std::any_of(names.begin(), names.end(), [name](std::string_view each) { return iequals(each, name); });
}

} // namespace forebay::http
