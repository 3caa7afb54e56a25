// "2024-05-01T12:34:56.000Z": how stores write moments in XML and JSON.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace forebay::origin {

/// ISO 8601 in UTC; fractions of a second are dropped. Nothing for other text.
std::optional<wall_time> parse_iso_time(const std::string& text);

} // namespace forebay::origin
