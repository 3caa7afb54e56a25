// Who may read, list and write in a namespace, as its configuration says. Pure decisions; front/reader_admission asks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"
#include "space/signed_url.h"

namespace forebay::space {

class token_judge;
struct verified_token;

/// What a request does. A set of them is a sum.
enum class access_action : unsigned { read = 1, list = 2, write = 4 };
using access_actions = unsigned;
constexpr access_actions operator|(access_action a, access_action b) noexcept {
  return static_cast<access_actions>(a) | static_cast<access_actions>(b);
}
constexpr bool includes(access_actions set, access_action one) noexcept {
  return (set & static_cast<access_actions>(one)) != 0;
}

/// Actions below a path.
struct path_right {
  access_actions actions = 0;
  std::string prefix; ///< of `normal_prefix`: "a/b"; "" for everything
};

/// What tokens of an issuer may do in the namespace.
struct token_grant {
  std::string issuer;              ///< its name in the configuration
  std::string claim;               ///< which claim must say so; empty: every token of the issuer
  std::vector<std::string> values; ///< one of them, as a whole: of a list, a text, or the words of `scope` and `scp`
  std::vector<path_right> rights;
};

/// The alternatives of one namespace: any of them lets in. Immutable.
struct access_rules {
  std::vector<net::ip_network> networks; ///< of clients that read and list
  std::vector<std::string> certificates; ///< patterns (glob) of names of client certificates that read and list
  std::vector<signing_key> signing_keys; ///< of signed URLs
  std::vector<std::string> path_issuers; ///< whose tokens name paths below the namespace themselves
  std::vector<token_grant> grants;       ///< what others' tokens may do
  std::shared_ptr<token_judge> tokens{}; ///< of the whole node; null: no tokens are taken
  bool takes_tokens() const noexcept { return tokens != nullptr && !(grants.empty() && path_issuers.empty()); }
};

bool admits_network(const access_rules& rules, const net::ip_address& client) noexcept;
bool admits_certificate(const access_rules& rules, const std::vector<std::string>& names);
/// Whether a token that was verified gives its bearer `action` on `key` (of a listing: its directory).
bool permits(const access_rules& rules, const verified_token& token, access_action action, std::string_view key);

/// A path of a rule or a scope without slashes at its ends, empty and "." segments; ".." goes up, at most to the top.
std::string normal_prefix(std::string_view path);
/// Whether `key` is `prefix` or lies below it: "a" covers "a" and "a/b", not "ab".
bool covers(std::string_view prefix, std::string_view key) noexcept;

} // namespace forebay::space
