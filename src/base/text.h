// Small text tools that every layer needs. Pure; ASCII rules where HTTP asks for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forebay {

/// ASCII case-insensitive equality (field names, tokens: RFC 9110 §5.1).
bool iequals(std::string_view a, std::string_view b) noexcept;
std::string to_lower(std::string_view text);
/// Without spaces and tabs at both ends (OWS, RFC 9110 §5.6.3).
std::string_view trim(std::string_view text) noexcept;
/// Pieces between `separator`, empty ones kept.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Whole text as an unsigned decimal number; nothing on signs, spaces, overflow or emptiness.
std::optional<std::uint64_t> parse_u64(std::string_view text) noexcept;

/// Percent-decoding once (RFC 3986 §2.1); nothing on a truncated or non-hex escape. `+` stays `+`.
std::optional<std::string> percent_decode(std::string_view text);
/// Percent-encodes everything but unreserved characters and those in `keep` (upper-case hex).
std::string percent_encode(std::string_view text, std::string_view keep = {});

/// Longest pattern that `glob_match` reads; longer ones match nothing (the configuration refuses them).
inline constexpr std::size_t glob_pattern_bytes_max = 1023;

/// Path pattern, whole path: `*` matches within a segment, `**` across segments (`**/` at the start of a segment
/// also no segment at all), `?` one byte but '/', `[0-9]` a class (`[!0-9]` its complement, never '/'),
/// `\` takes the next byte literally. Time is bounded by pattern length times path length. No allocation.
bool glob_match(std::string_view pattern, std::string_view path) noexcept;

/// The candidate nearest to `word` by edit distance, or empty when none is near (more than a third differs).
std::string_view nearest_word(std::string_view word, const std::vector<std::string_view>& candidates);

/// `text` with every byte that is not part of well-formed UTF-8 replaced by U+FFFD (for JSON, labels, pages).
std::string to_valid_utf8(std::string_view text);

/// XML character data and attribute escaping.
std::string xml_escape(std::string_view text);

} // namespace forebay
