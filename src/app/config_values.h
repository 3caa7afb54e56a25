// Values of settings: reading them by type, writing them as TOML. For config*.cc alone. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_document.h"
#include "app/config_keys.h"

namespace forebay::app {

/// What is wrong with a value.
struct problem {
  std::string found, expected;
  std::optional<std::size_t> item = std::nullopt; ///< the element of a list that it is about
};

/// Puts `value` where `where` points, after checking it by the key's type and bounds; says all that is wrong. A wrong
/// value changes nothing; a list with wrong elements is put there with all of them, so that checks of the good ones
/// still count them right.
std::vector<problem> assign(target where, const key_info& key, const raw_value& value);

/// The value as TOML, or empty when it is not set (an optional without value, an empty proxy).
std::string format_value(target where, const key_info& key, bool mask_secrets);

/// "from 1 to 100", "at most 1d"; empty without bounds.
std::string format_bounds(const key_info& key);

/// "info" and its kin.
std::optional<log::level> parse_level(std::string_view text);
std::string_view to_string(log::level level) noexcept;

/// "80%" as 80; nothing when it is no percentage from 1 to 100.
std::optional<unsigned> parse_percentage(std::string_view text);

/// What is wrong with the origin `url`, or nothing. Credentials that it names are checked elsewhere.
std::optional<problem> check_origin(std::string_view url);
/// Whether it is an origin at http or https; and whether such a one names login hosts and nothing to sign in with.
bool is_web(std::string_view url);
bool has_only_login(std::string_view url);
bool takes_tokens(std::string_view url);        ///< whether readers can bring their own right: web, gs, az
bool has_own_credentials(std::string_view url); ///< named in the URL of an origin that takes tokens
/// The value of parameter `name` in the query of an origin's URL, percent-decoded; nothing when it is not there.
std::optional<std::string> origin_parameter(std::string_view url, std::string_view name);

/// What is wrong with a proxy's URL, or nothing.
std::optional<problem> check_proxy(std::string_view url);
/// `url` without user and password.
std::string without_userinfo(std::string_view url);

} // namespace forebay::app
