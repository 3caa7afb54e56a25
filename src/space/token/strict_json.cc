#include "space/token/strict_json.h"

#include <set>
#include <string>
#include <vector>

namespace forebay::space {
namespace {

constexpr int depth_max = 16;

} // namespace

nlohmann::json parse_strict_json(std::string_view text) {
  std::vector<std::set<std::string>> names;
  bool strict = true;
  const auto look = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using seen = nlohmann::json::parse_event_t;
    if (depth > depth_max) strict = false;
    if (event == seen::object_start) names.emplace_back();
    if (event == seen::object_end && !names.empty()) names.pop_back();
    if (event == seen::key && !names.empty())
      strict = names.back().insert(parsed.get_ref<const std::string&>()).second && strict;
    return strict;
  };
  auto made = nlohmann::json::parse(text, look, false);
  return strict ? made : nlohmann::json(nlohmann::json::value_t::discarded);
}

} // namespace forebay::space
