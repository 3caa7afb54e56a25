#include "origin/iso_time.h"

#include <ctime>

namespace forebay::origin {

std::optional<wall_time> parse_iso_time(const std::string& text) {
  std::tm utc{};
  if (strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc) == nullptr) return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

} // namespace forebay::origin
