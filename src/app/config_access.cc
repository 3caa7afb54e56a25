#include "app/config_access.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/clock.h"
#include "net/tls/certificate.h"
#include "origin/token_service.h"
#include "space/token/token_judge.h"

namespace forebay::app {
namespace {

/// A name that all settings of a fetch are in: equal ones share keys, also over a reload.
std::string name_of(const issuer_config& one, const limits_config& limits) {
  return fmt::format("jwks {} {} {} {} {} {} {}", one.name, one.issuer, one.jwks_url, one.keys_lifetime.count(),
                     limits.keys_timeout.count(), limits.keys_pause.count(), limits.keys_bytes);
}

result<std::shared_ptr<space::issuer_keys>> make_keys(const issuer_config& one, const limits_config& limits) {
  if (!one.jwks_file.empty()) {
    auto text = net::read_small_file(one.jwks_file, "jwks_file");
    if (!text) return fail(text.error());
    auto keys = space::key_set::parse(*text);
    if (!keys) return fail(keys.error());
    return std::make_shared<space::issuer_keys>(one.name, std::move(*keys), system_clock());
  }
  const space::keys_address where{one.issuer, one.jwks_url, limits.keys_bytes};
  const space::key_limits within{one.keys_lifetime, limits.keys_timeout, limits.keys_pause};
  const std::function<std::shared_ptr<space::issuer_keys>()> make = [&] {
    return std::make_shared<space::issuer_keys>(one.name, space::fetch_from(where), within, system_clock());
  };
  return origin::find_shared<space::issuer_keys>(name_of(one, limits), make);
}

space::token_profile profile_of(const issuer_config& one) {
  if (one.profile == "wlcg") return space::token_profile::wlcg;
  return one.profile == "scitokens" ? space::token_profile::scitokens : space::token_profile::claims;
}

space::access_actions actions_of(const grant_config& one) {
  space::access_actions all = 0;
  for (const std::string& name : one.actions) {
    const auto action = name == "read"   ? space::access_action::read
                        : name == "list" ? space::access_action::list
                                         : space::access_action::write;
    all |= static_cast<space::access_actions>(action);
  }
  return all;
}

space::token_grant make_grant(const grant_config& from) {
  space::token_grant made{from.issuer, from.claim, from.values, {}};
  for (const std::string& prefix : from.prefixes)
    made.rights.push_back({actions_of(from), space::normal_prefix(prefix)});
  return made;
}

} // namespace

void resolve_access(config& made) {
  for (std::size_t i = 0; i < made.namespaces.size(); ++i) {
    namespace_config& space = made.namespaces[i];
    const bool written = made.places.contains(fmt::format("namespace[{}].public", i));
    // An empty `allow` lets nobody in: who takes the last network out of it does not mean to open the doors.
    const bool allows = made.places.contains(fmt::format("namespace[{}].allow", i));
    if (!written && (allows || made.has_grants(space))) space.is_public = false;
  }
}

result<void> check_opened(const config& running, const config& next) {
  for (std::size_t i = 0; i < next.namespaces.size(); ++i) {
    const namespace_config& now = next.namespaces[i];
    const auto before = std::find_if(running.namespaces.begin(), running.namespaces.end(),
                                     [&](const namespace_config& one) { return one.path == now.path; });
    const bool opened = now.is_public && before != running.namespaces.end() && !before->is_public;
    if (!opened || now.origin_decides() || next.places.contains(fmt::format("namespace[{}].public", i))) continue;
    return fail(
        error_kind::invalid_input, "configuration",
        fmt::format("the namespace \"{}\" was not public and would be, because allow and grants are gone: write "
                    "public = true, or public = false",
                    now.path.empty() ? "/" : now.path));
  }
  return {};
}

result<std::shared_ptr<space::token_judge>> make_token_judge(const config& from) {
  if (from.issuers.empty()) return std::shared_ptr<space::token_judge>();
  std::vector<space::trusted_issuer> trusted;
  for (const issuer_config& one : from.issuers) {
    space::trusted_issuer made;
    made.name = one.name;
    made.issuer = one.issuer;
    made.profile = profile_of(one);
    for (const std::string& name : one.algorithms) {
      if (const auto algorithm = space::parse_algorithm(name)) made.algorithms.push_back(*algorithm);
    }
    made.claims = {one.audiences, one.required_claims, one.leeway};
    for (std::string& audience : space::common_audiences(made.profile))
      made.claims.audiences.push_back(std::move(audience));
    auto keys = make_keys(one, from.limits);
    if (!keys) return fail(keys.error());
    made.keys = std::move(*keys);
    trusted.push_back(std::move(made));
  }
  return std::make_shared<space::token_judge>(std::move(trusted), from.limits.tokens, system_clock());
}

std::shared_ptr<const space::access_rules> make_access_rules(const config& from, const namespace_config& of,
                                                             std::shared_ptr<space::token_judge> tokens) {
  if (!of.allow.any() && !from.has_grants(of)) return nullptr;
  auto made = std::make_shared<space::access_rules>();
  made->networks = of.allow.networks;
  made->certificates = of.allow.certificates;
  made->path_issuers = of.allow.issuers;
  for (const signing_key_config& key : from.signing_keys) {
    const auto& wanted = of.allow.signing_keys;
    if (std::find(wanted.begin(), wanted.end(), key.id) != wanted.end())
      made->signing_keys.push_back({key.id, key.key.value});
  }
  for (const grant_config& grant : from.grants) {
    if (grant.name_space == of.path) made->grants.push_back(make_grant(grant));
  }
  made->tokens = std::move(tokens);
  return made;
}

} // namespace forebay::app
