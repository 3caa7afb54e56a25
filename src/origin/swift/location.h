// Where a Swift container is, from the URL that an operator writes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace forebay::origin::swift {

/// How a token is got.
enum class sign_in : std::uint8_t {
  none,        ///< a public container
  temp_auth,   ///< version 1: X-Auth-User and X-Auth-Key
  password,    ///< Keystone version 3, a user of a project
  application, ///< Keystone version 3, an application credential: username is its id, password its secret
};

/// "swift://container[/prefix]?storage_url=https://host/v1/AUTH_account", or
/// "...?auth_url=https://host/v3&credentials=name[&auth=v1|v3|application][&project=][&project_domain=][&user_domain=]
/// [&region=][&interface=public|internal|admin]". A storage_url beside auth_url overrides what the service tells.
struct location {
  std::string container, prefix; ///< the prefix without slashes at its ends
  std::string storage_url;       ///< without a slash at its end; empty: the service tells
  std::string auth_url;          ///< without a slash at its end
  sign_in how = sign_in::none;
  std::string credentials; ///< an entry's name
  std::string project, project_domain = "Default", user_domain = "Default", region, interface = "public";
};
result<location> parse_location(std::string_view url);

} // namespace forebay::origin::swift
