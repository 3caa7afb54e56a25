#include "origin/iso_time.h"

#include <algorithm>
#include <ctime>

namespace forebay::origin {
namespace {

/// 2200-01-01: the clock counts nanoseconds and ends in 2262. Stores write the year 9999 for "never".
constexpr std::time_t far_seconds = 7'258'118'400;

} // namespace

std::optional<wall_time> parse_iso_time(const std::string& text) {
  std::tm utc{};
  if (strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc) == nullptr) return std::nullopt;
  return std::chrono::system_clock::from_time_t(std::clamp<std::time_t>(timegm(&utc), 0, far_seconds));
}

} // namespace forebay::origin
