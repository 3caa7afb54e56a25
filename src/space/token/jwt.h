// JSON Web Tokens in their compact form (RFC 7515, RFC 7519): taken apart, and their claims judged. Pure.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace forebay::space {

/// Longest token that is read at all; what people use has 1 to 4 KiB.
inline constexpr std::size_t token_bytes_max = 16 * 1024;

/// A token taken apart. Nothing of it is true before its signature was verified.
struct jwt {
  std::string algorithm;                        ///< `alg`
  std::optional<std::string> kid;               ///< which key
  std::string issuer;                           ///< `iss`
  std::string_view signed_part;                 ///< of the text that was parsed: header and claims, with their dot
  std::string signature;                        ///< decoded
  std::shared_ptr<const nlohmann::json> claims; ///< an object
};

/// unauthorised says in a few words of ours what is wrong; nothing of the token is in them. `text` outlives the result.
result<jwt> parse_jwt(std::string_view text);

/// What an issuer's tokens must say.
struct claim_terms {
  std::vector<std::string> audiences; ///< one of them must be in `aud`
  std::vector<std::string> required;  ///< claims that must be there
  std::chrono::seconds leeway{60};    ///< by which clocks may differ
};

/// `exp`, `nbf`, `iat`, `aud` and the required claims. The moment from which on the token is over, leeway included.
result<wall_time> judge_claims(const nlohmann::json& claims, const claim_terms& terms, wall_time now);

/// The words of a text claim that are divided by blanks; none where it is no text. `of` outlives them.
std::vector<std::string_view> words_of(const nlohmann::json& of, std::string_view claim);

} // namespace forebay::space
