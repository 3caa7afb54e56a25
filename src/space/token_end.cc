#include "space/token_end.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/text.h"

namespace forebay::space {
namespace {

constexpr std::size_t jwt_parts = 3; // RFC 7519 §3: header, claims, signature
/// A far year, which the clock's unit still holds; and one long ago.
constexpr double last_second = 4'000'000'000, first_second = 0;

} // namespace

std::optional<wall_time> token_end(std::string_view token) {
  const auto parts = split(token, '.');
  if (parts.size() != jwt_parts) return std::nullopt;
  const auto claims = base64url_decode(parts[1]);
  if (!claims) return std::nullopt;
  const auto read = nlohmann::json::parse(*claims, nullptr, false);
  if (!read.is_object()) return std::nullopt;
  const auto found = read.find("exp");
  if (found == read.end() || !found->is_number()) return std::nullopt;
  const double second = std::clamp(found->get<double>(), first_second, last_second);
  return wall_time(std::chrono::seconds(static_cast<std::int64_t>(std::floor(second))));
}

} // namespace forebay::space
