#include "http/range_demand.h"

#include <algorithm>

#include "base/text.h"
#include "http/range.h"

namespace forebay::http {
namespace {

bool overlap(const range_spec& a, const range_spec& b) noexcept {
  if (a.is_suffix() && b.is_suffix()) return true;
  if (a.is_suffix()) return !b.last.has_value();
  if (b.is_suffix()) return !a.last.has_value();
  return *a.first <= b.last.value_or(UINT64_MAX) && *b.first <= a.last.value_or(UINT64_MAX);
}

} // namespace

bool names_too_many_ranges(std::string_view value, std::size_t most) {
  const std::string_view text = trim(value);
  if (text.size() < 6 || !iequals(text.substr(0, 6), "bytes=")) return false;
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), ',')) >= std::min(most, max_ranges);
}

bool names_overlapping_ranges(std::string_view value) {
  const auto specs = parse_range(value); // at most max_ranges: comparing all with all is cheap
  if (!specs) return false;
  for (std::size_t i = 0; i < specs->size(); ++i)
    for (std::size_t k = i + 1; k < specs->size(); ++k)
      if (overlap((*specs)[i], (*specs)[k])) return true;
  return false;
}

} // namespace forebay::http
