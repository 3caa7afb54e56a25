#include "base/units.h"

#include <fmt/format.h>
#include <optional>
#include <span>

#include "base/text.h"

namespace forebay {
namespace {

__extension__ using wide = unsigned __int128; // products of two 64-bit numbers

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

// Binary before decimal: where both spell a number equally short, the binary one is printed.
constexpr unit size_units[] = {
    {"B", 1},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
    {"PiB", 1ull << 50},
    {"KB", 1'000ull},
    {"MB", 1'000'000ull},
    {"GB", 1'000'000'000ull},
    {"TB", 1'000'000'000'000ull},
    {"PB", 1'000'000'000'000'000ull},
};

constexpr unit duration_units[] = {
    {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000},
};

// A century: long enough for any policy, and far from the overflow of chrono's nanoseconds (292 years).
constexpr std::uint64_t longest_duration_ms = 36'525ull * 86'400'000ull;

constexpr std::size_t fraction_digits_max = 9;

struct quantity {
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;       ///< numerator
  std::uint64_t fraction_scale = 1; ///< denominator, a power of ten
  std::string_view unit;
};

std::size_t digits_at(std::string_view text) noexcept {
  std::size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
  return count;
}

/// "1.5GiB" -> 1, 5/10, "GiB".
std::optional<quantity> parse_quantity(std::string_view text) {
  quantity found;
  const std::size_t whole_digits = digits_at(text);
  const auto whole = parse_u64(text.substr(0, whole_digits));
  if (!whole) return std::nullopt;
  found.whole = *whole;
  text.remove_prefix(whole_digits);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    const std::size_t count = digits_at(text);
    if (count == 0 || count > fraction_digits_max) return std::nullopt;
    found.fraction = *parse_u64(text.substr(0, count));
    for (std::size_t i = 0; i < count; ++i) found.fraction_scale *= 10;
    text.remove_prefix(count);
  }
  if (text.size() > 1 && text.front() == ' ') text.remove_prefix(1); // "4 GiB"
  found.unit = text;
  return found;
}

const unit* find_unit(std::span<const unit> units, std::string_view name) noexcept {
  for (const unit& candidate : units) {
    if (iequals(candidate.name, name)) return &candidate;
  }
  return nullptr;
}

/// Nothing beyond `most`, or when a fraction of the smallest unit is left.
std::optional<std::uint64_t> multiply(const quantity& number, std::uint64_t factor, std::uint64_t most) {
  if (factor == 1 && number.fraction != 0) return std::nullopt;
  const wide value =
      static_cast<wide>(number.whole) * factor + static_cast<wide>(number.fraction) * factor / number.fraction_scale;
  if (value > most) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

} // namespace

result<std::uint64_t> parse_size_bytes(std::string_view text) {
  const auto refuse = [text] {
    return fail(
        error_kind::invalid_input, "size",
        fmt::format("\"{}\" is not a size; expected a number with a unit, such as \"4GiB\", \"500MB\" or \"65536\"",
                    text));
  };
  const auto number = parse_quantity(text);
  if (!number) return refuse();
  const unit* const scale = find_unit(size_units, number->unit.empty() ? "B" : number->unit);
  if (scale == nullptr) return refuse();
  const auto bytes = multiply(*number, scale->factor, UINT64_MAX);
  if (!bytes) return refuse();
  return *bytes;
}

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto refuse = [text] {
    return fail(
        error_kind::invalid_input, "duration",
        fmt::format("\"{}\" is not a duration; expected a number with a unit, such as \"250ms\", \"30s\", \"5m\", "
                    "\"1h\" or \"7d\" (at most 36525d)",
                    text));
  };
  const auto number = parse_quantity(text);
  if (!number) return refuse();
  if (number->unit.empty() && number->whole == 0 && number->fraction == 0) return std::chrono::milliseconds(0);
  const unit* const scale = find_unit(duration_units, number->unit);
  if (scale == nullptr) return refuse();
  const auto length_ms = multiply(*number, scale->factor, longest_duration_ms);
  if (!length_ms) return refuse();
  return std::chrono::milliseconds(static_cast<std::int64_t>(*length_ms));
}

std::string format_size(std::uint64_t bytes) {
  std::string best = fmt::format("{}", bytes);
  if (bytes == 0) return best;
  for (const unit& candidate : size_units) {
    if (candidate.factor == 1 || bytes % candidate.factor != 0) continue;
    std::string text = fmt::format("{}{}", bytes / candidate.factor, candidate.name);
    const bool no_unit_yet = best.find_last_not_of("0123456789") == std::string::npos;
    if (text.size() < best.size() || (text.size() == best.size() && no_unit_yet)) best = std::move(text);
  }
  return best;
}

std::string format_duration(std::chrono::milliseconds duration) {
  const auto length_ms = static_cast<std::uint64_t>(duration.count() > 0 ? duration.count() : 0);
  if (length_ms == 0) return "0";
  const unit* best = &duration_units[0];
  for (const unit& candidate : duration_units) {
    if (length_ms % candidate.factor == 0) best = &candidate;
  }
  return fmt::format("{}{}", length_ms / best->factor, best->name);
}

} // namespace forebay
