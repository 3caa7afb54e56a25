#include "space/token/token_rights.h"

#include <array>
#include <nlohmann/json.hpp>

#include "space/token/jwt.h"

namespace forebay::space {
namespace {

struct scope_row {
  token_profile profile;
  std::string_view name;
  access_actions actions;
};
/// `storage.create` may not overwrite, which a store behind us would not tell us beforehand: it gives nothing here.
constexpr std::array<scope_row, 5> scopes{
    {{token_profile::wlcg, "storage.read", access_action::read | access_action::list},
     {token_profile::wlcg, "storage.stage", access_action::read | access_action::list},
     {token_profile::wlcg, "storage.modify", static_cast<access_actions>(access_action::write)},
     {token_profile::scitokens, "read", access_action::read | access_action::list},
     {token_profile::scitokens, "write", static_cast<access_actions>(access_action::write)}}};

bool begins_with(const nlohmann::json& claims, const char* name, std::string_view beginning) {
  const auto found = claims.find(name);
  return found != claims.end() && found->is_string() &&
         std::string_view(found->get_ref<const std::string&>()).starts_with(beginning);
}

} // namespace

result<std::vector<path_right>> rights_of(token_profile profile, const nlohmann::json& claims) {
  const auto refuse = [](const char* why) { return fail(error_kind::unauthorised, "token", why); };
  if (profile == token_profile::wlcg && !begins_with(claims, "wlcg.ver", "1."))
    return refuse("it is no token of the WLCG profile, version 1");
  // Tokens of the first version do not say theirs.
  if (profile == token_profile::scitokens && claims.contains("ver") && !begins_with(claims, "ver", "scitokens:"))
    return refuse("it is no SciToken");
  std::vector<path_right> rights;
  for (const std::string_view scope : words_of(claims, "scope")) {
    const std::size_t colon = scope.find(':');
    // Without a path a scope says nothing about files.
    if (colon == std::string_view::npos || scope.substr(colon + 1, 1) != "/") continue;
    for (const scope_row& one : scopes) {
      if (one.profile == profile && one.name == scope.substr(0, colon))
        rights.push_back({one.actions, normal_prefix(scope.substr(colon + 1))});
    }
  }
  return rights;
}

std::vector<std::string> common_audiences(token_profile profile) {
  switch (profile) {
  case token_profile::claims: return {};
  case token_profile::wlcg: return {"https://wlcg.cern.ch/jwt/v1/any"};
  case token_profile::scitokens: return {"ANY"};
  }
  return {};
}

} // namespace forebay::space
