// What a web origin is shown: basic or bearer credentials by name.
#pragma once

#include <string>

#include "base/result.h"
#include "origin/factory.h"

namespace forebay::origin::web {

struct authorization {
  std::string field; ///< value of Authorization; empty: none
  std::string scope; ///< for identities: "anonymous" or a fingerprint without the secret
  std::shared_ptr<const http::client_certificate> certificate{}; ///< shown on the way in; null: none
};

/// For an empty name: nothing is shown. invalid_input when no entry has the name or it holds nothing for HTTP, or a
/// certificate that cannot be loaded. Reads its files: start-up and reload only.
result<authorization> find_authorization(const std::string& name, const source_settings& settings);

} // namespace forebay::origin::web
