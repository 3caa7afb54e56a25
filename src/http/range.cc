#include "http/range.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace forebay::http {
namespace {

constexpr std::string_view unit = "bytes";

/// "bytes" and the separator in front of `value`; the rest of it, or nothing for another unit.
std::optional<std::string_view> after_unit(std::string_view value, char separator) {
  if (value.size() <= unit.size() || value[unit.size()] != separator) return std::nullopt;
  if (!iequals(value.substr(0, unit.size()), unit)) return std::nullopt; // range-unit is case-insensitive (§14.1)
  return value.substr(unit.size() + 1);
}

std::optional<range_spec> parse_spec(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view left = text.substr(0, dash), right = text.substr(dash + 1);
  range_spec spec;
  if (!left.empty()) {
    spec.first = parse_u64(left);
    if (!spec.first) return std::nullopt;
  }
  if (!right.empty()) {
    spec.last = parse_u64(right);
    if (!spec.last) return std::nullopt;
  }
  if (!spec.first && !spec.last) return std::nullopt; // "-" alone
  if (spec.first && spec.last && *spec.last < *spec.first) return std::nullopt;
  return spec;
}

/// "a-b" of a Content-Range as a half-open range; nothing when b has no successor in 64 bits.
std::optional<byte_range> parse_positions(std::string_view text) {
  const auto spec = parse_spec(text);
  if (!spec || !spec->first || !spec->last || *spec->last == UINT64_MAX) return std::nullopt;
  return byte_range{*spec->first, *spec->last + 1};
}

bool touches(byte_range a, byte_range b) noexcept { return a.begin <= b.end && b.begin <= a.end; }

} // namespace

std::optional<std::vector<range_spec>> parse_range(std::string_view value) {
  const auto set = after_unit(trim(value), '=');
  if (!set) return std::nullopt;
  std::vector<range_spec> specs;
  for (const std::string_view member : split(*set, ',')) {
    const std::string_view text = trim(member);
    if (text.empty()) continue; // empty list members count for nothing (RFC 9110 §5.6.1)
    const auto spec = parse_spec(text);
    if (!spec || specs.size() == max_ranges) return std::nullopt;
    specs.push_back(*spec);
  }
  if (specs.empty()) return std::nullopt;
  return specs;
}

std::optional<byte_range> resolve(const range_spec& spec, std::uint64_t length_bytes) noexcept {
  if (length_bytes == 0) return std::nullopt; // there is no byte that a Content-Range could name
  if (spec.is_suffix()) {
    const std::uint64_t wanted = std::min(spec.last.value_or(0), length_bytes);
    if (wanted == 0) return std::nullopt;
    return byte_range{length_bytes - wanted, length_bytes};
  }
  if (*spec.first >= length_bytes) return std::nullopt;
  return byte_range{*spec.first, std::min(spec.last.value_or(UINT64_MAX), length_bytes - 1) + 1};
}

std::string format_range(byte_range range) { return fmt::format("bytes={}-{}", range.begin, range.end - 1); }

std::optional<content_range> parse_content_range(std::string_view value) {
  const auto rest = after_unit(trim(value), ' ');
  if (!rest) return std::nullopt;
  const std::size_t slash = rest->find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view positions = rest->substr(0, slash), length = rest->substr(slash + 1);
  content_range found;
  if (length != "*") {
    found.length_bytes = parse_u64(length);
    if (!found.length_bytes) return std::nullopt;
  }
  if (positions == "*") return found.length_bytes ? std::optional(found) : std::nullopt;
  found.range = parse_positions(positions);
  if (!found.range) return std::nullopt;
  if (found.length_bytes && found.range->end > *found.length_bytes) return std::nullopt; // RFC 9110 §14.4: invalid
  return found;
}

std::string format_content_range(byte_range range, std::optional<std::uint64_t> length_bytes) {
  if (!length_bytes) return fmt::format("bytes {}-{}/*", range.begin, range.end - 1);
  return fmt::format("bytes {}-{}/{}", range.begin, range.end - 1, *length_bytes);
}

std::string format_unsatisfied_range(std::uint64_t length_bytes) { return fmt::format("bytes */{}", length_bytes); }

std::vector<byte_range> select_ranges(const std::vector<range_spec>& asked, std::uint64_t length_bytes) {
  std::vector<byte_range> chosen;
  for (const range_spec& spec : asked) {
    const auto resolved = resolve(spec, length_bytes);
    if (!resolved) continue;
    byte_range grown = *resolved;
    // The merged range stands where the first of its parts stood. Growing may reach others: look again.
    auto place = chosen.end();
    for (auto at = chosen.begin(); at != chosen.end();) {
      if (at == place || !touches(*at, grown)) {
        ++at;
        continue;
      }
      grown = {std::min(at->begin, grown.begin), std::max(at->end, grown.end)};
      if (place == chosen.end()) {
        place = at;
      } else {
        const auto keep = std::min(place, at) - chosen.begin();
        chosen.erase(std::max(place, at));
        place = chosen.begin() + keep;
      }
      *place = grown;
      at = chosen.begin();
    }
    if (place == chosen.end()) chosen.push_back(grown);
  }
  return chosen;
}

multipart_layout make_multipart(const std::vector<byte_range>& ranges, std::uint64_t length_bytes,
                                std::string_view content_type, std::string_view boundary) {
  multipart_layout layout;
  layout.content_type = fmt::format("multipart/byteranges; boundary={}", boundary);
  layout.length_bytes = 0;
  for (const byte_range range : ranges) {
    std::string head = fmt::format("{}--{}\r\n", layout.part_heads.empty() ? "" : "\r\n", boundary);
    if (!content_type.empty()) head += fmt::format("Content-Type: {}\r\n", content_type);
    head += fmt::format("Content-Range: {}\r\n\r\n", format_content_range(range, length_bytes));
    layout.length_bytes += head.size() + range.length_bytes();
    layout.part_heads.push_back(std::move(head));
  }
  layout.tail = fmt::format("\r\n--{}--\r\n", boundary);
  layout.length_bytes += layout.tail.size();
  return layout;
}

} // namespace forebay::http
