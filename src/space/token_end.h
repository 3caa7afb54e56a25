// When a bearer token says that it ends.
#pragma once

#include <optional>
#include <string_view>

#include "base/clock.h"

namespace forebay::space {

/// `exp` of a token that is a JSON Web Token (RFC 7519 §4.1.4). Nothing of it is verified: it may shorten how long an
/// answer is remembered and nothing else. Nothing for other tokens, and for those without `exp`. Pure.
std::optional<wall_time> token_end(std::string_view token);

} // namespace forebay::space
