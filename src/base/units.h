// Sizes and durations as people write them: "4GiB", "500MB", "1h", "250ms".
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace forebay {

/// Bytes of "4096", "4KiB", "1.5GiB", "500MB" (binary and decimal units); invalid_input says what was expected.
result<std::uint64_t> parse_size_bytes(std::string_view text);
/// Duration of "250ms", "30s", "5m", "1h", "7d"; "0" is allowed without a unit.
result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// The shortest exact spelling that the parsers above read back ("4GiB", "1h").
std::string format_size(std::uint64_t bytes);
std::string format_duration(std::chrono::milliseconds duration);

} // namespace forebay
