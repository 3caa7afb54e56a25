#include "space/access_rules.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "space/token/token_judge.h"

namespace forebay::space {
namespace {

bool is_one_of(const std::vector<std::string>& values, std::string_view word) {
  return std::find(values.begin(), values.end(), word) != values.end();
}

/// Claims whose text is a list of words (RFC 8693 §4.2, and as some issuers write it). Any other is one text: a name
/// that its owner chose must not hold somebody else's.
bool is_word_list(std::string_view claim) noexcept { return claim == "scope" || claim == "scp"; }

/// A claim that is a list of texts, or a text.
bool says(const nlohmann::json& claims, const token_grant& grant) {
  if (grant.claim.empty()) return true;
  const auto found = claims.find(grant.claim);
  if (found == claims.end()) return false;
  if (found->is_string() && !is_word_list(grant.claim))
    return is_one_of(grant.values, found->get_ref<const std::string&>());
  if (found->is_string()) {
    const auto words = split(found->get_ref<const std::string&>(), ' ');
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return is_one_of(grant.values, word); });
  }
  if (!found->is_array()) return false;
  return std::any_of(found->begin(), found->end(), [&](const nlohmann::json& one) {
    return one.is_string() && is_one_of(grant.values, one.get_ref<const std::string&>());
  });
}

bool any_covers(const std::vector<path_right>& rights, access_action action, std::string_view key) {
  return std::any_of(rights.begin(), rights.end(), [&](const path_right& right) {
    return includes(right.actions, action) && covers(right.prefix, key);
  });
}

} // namespace

bool admits_network(const access_rules& rules, const net::ip_address& client) noexcept {
  return std::any_of(rules.networks.begin(), rules.networks.end(),
                     [&](const net::ip_network& one) { return one.contains(client); });
}

bool admits_certificate(const access_rules& rules, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::any_of(rules.certificates.begin(), rules.certificates.end(),
                       [&](const std::string& pattern) { return glob_match(pattern, name); });
  });
}

bool permits(const access_rules& rules, const verified_token& token, access_action action, std::string_view key) {
  if (is_one_of(rules.path_issuers, token.issuer) && any_covers(token.rights, action, key)) return true;
  return std::any_of(rules.grants.begin(), rules.grants.end(), [&](const token_grant& grant) {
    return grant.issuer == token.issuer && any_covers(grant.rights, action, key) && says(*token.claims, grant);
  });
}

std::string normal_prefix(std::string_view path) {
  std::vector<std::string_view> kept;
  for (const std::string_view segment : split(path, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      kept.push_back(segment);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string made;
  for (const std::string_view segment : kept) {
    if (!made.empty()) made += '/';
    made += segment;
  }
  return made;
}

bool covers(std::string_view prefix, std::string_view key) noexcept {
  if (prefix.empty()) return true;
  return key.starts_with(prefix) && (key.size() == prefix.size() || key[prefix.size()] == '/');
}

} // namespace forebay::space
