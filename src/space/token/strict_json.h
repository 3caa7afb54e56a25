// JSON that a signature is over: what two parsers could read in two ways is refused.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace forebay::space {

/// The document; discarded where it is no JSON, names a member twice (RFC 7515 §4) or nests deeper than tokens and keys
/// do. Pure.
nlohmann::json parse_strict_json(std::string_view text);

} // namespace forebay::space
