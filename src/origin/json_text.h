// JSON of foreign hosts.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace forebay::origin {

/// How deep values may nest: no answer that we read nests deeper than a few levels, and whoever walks or copies a
/// document recurses into it.
inline constexpr std::size_t json_depth_max = 64;

/// The document, or a discarded value where the text is no JSON or nests deeper than `json_depth_max`.
nlohmann::json parse_json(std::string_view text);

} // namespace forebay::origin
