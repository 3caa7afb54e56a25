// Rights that tokens spell out as scopes with paths: the profiles of WLCG and of SciTokens. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "base/result.h"
#include "space/access_rules.h"

namespace forebay::space {

/// What an issuer's tokens mean.
enum class token_profile {
  claims,    ///< nothing by themselves: grants of the configuration say it
  wlcg,      ///< WLCG Common JWT Profiles: `storage.read:/path`
  scitokens, ///< SciTokens: `read:/path`
};

/// The rights of a token whose signature and dates were found right; unauthorised where the profile asks for more.
result<std::vector<path_right>> rights_of(token_profile profile, const nlohmann::json& claims);

/// Audiences that mean every service: `aud` of tokens that are for nobody in particular.
std::vector<std::string> common_audiences(token_profile profile);

} // namespace forebay::space
