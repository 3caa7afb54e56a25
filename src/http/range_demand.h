// Range fields that ask an origin for more than one request should (RFC 9110 §14.2, §17.15).
#pragma once

#include <cstddef>
#include <string_view>

namespace forebay::http {

/// Whether a Range field in bytes has more members than `most`, well spelt or not.
bool names_too_many_ranges(std::string_view value, std::size_t most);

/// Whether it asks for some bytes twice, as far as can be told without a length: two suffixes do, and a suffix and a
/// range that is open to the end.
bool names_overlapping_ranges(std::string_view value);

} // namespace forebay::http
