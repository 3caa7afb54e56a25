// HTTP dates (RFC 9110 §5.6.7).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace forebay::http {

/// IMF-fixdate, RFC 850 or asctime form; nothing otherwise. Two-digit years per RFC 9110.
std::optional<wall_time> parse_date(std::string_view text, wall_time now);
/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string format_date(wall_time when);

} // namespace forebay::http
