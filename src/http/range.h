// Range requests (RFC 9110 §14): parsing, resolving against a length, Content-Range, multipart/byteranges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"

namespace forebay::http {

/// One range as asked: "a-b", "a-" (no last) or "-n" (suffix).
struct range_spec {
  std::optional<std::uint64_t> first; ///< absent: a suffix of `last` bytes
  std::optional<std::uint64_t> last;  ///< inclusive position, or the suffix length
  bool is_suffix() const noexcept { return !first.has_value(); }
};

/// How many ranges one request may name (RFC 9110 §14.2 lets a server refuse more).
inline constexpr std::size_t max_ranges = 16;

/// The value of a Range field. Nothing when it is to be ignored (RFC 9110 §14.2: another unit, bad syntax,
/// last < first, numbers beyond 64 bits, too many ranges): the answer is then the whole representation.
std::optional<std::vector<range_spec>> parse_range(std::string_view value);

/// `spec` as bytes of an object of `length_bytes`; nothing when it is unsatisfiable.
std::optional<byte_range> resolve(const range_spec& spec, std::uint64_t length_bytes) noexcept;

/// "bytes=a-b"; `range` must not be empty.
std::string format_range(byte_range range);

/// A parsed Content-Range: "bytes a-b/len", "bytes a-b/*" or "bytes */len".
struct content_range {
  std::optional<byte_range> range;
  std::optional<std::uint64_t> length_bytes;
};
std::optional<content_range> parse_content_range(std::string_view value);
std::string format_content_range(byte_range range, std::optional<std::uint64_t> length_bytes);
std::string format_unsatisfied_range(std::uint64_t length_bytes);

/// What to send for the ranges of a request: satisfiable ones resolved, in the order asked; overlapping or
/// touching ones are merged (RFC 9110 §15.3.7.2 allows it; it defeats amplification). Empty: 416.
std::vector<byte_range> select_ranges(const std::vector<range_spec>& asked, std::uint64_t length_bytes);

/// The part heads of a multipart/byteranges body, so that its whole length is known before the first byte.
struct multipart_layout {
  std::string content_type;            ///< "multipart/byteranges; boundary=..."
  std::vector<std::string> part_heads; ///< sent before each range
  std::string tail;
  std::uint64_t length_bytes;
};
multipart_layout make_multipart(const std::vector<byte_range>& ranges, std::uint64_t length_bytes,
                                std::string_view content_type, std::string_view boundary);

} // namespace forebay::http
