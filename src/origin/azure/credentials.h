// What Azure Blob is shown: a signature with the account's key, a shared access signature, or a token of Entra ID.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "origin/authority.h"
#include "origin/azure/location.h"
#include "origin/factory.h"

namespace forebay::origin::azure {

/// What a source shows, and the part of objects' identities that tells whose it is.
struct shown {
  std::shared_ptr<authority> by; ///< null: anonymous
  std::string scope;
};

/// For `where`: nothing where readers bring tokens; a named entry's account_key or sas_token, or the chosen identity's
/// tokens:
/// - managed: the instance's metadata service (AZURE_POD_IDENTITY_AUTHORITY_HOST in its place), or IDENTITY_ENDPOINT
///   with IDENTITY_HEADER;
/// - workload: AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_AUTHORITY_HOST; also without `auth`
///   where the environment has the first three.
/// invalid_input says which is missing or off.
result<shown> find_shown(const location& where, const source_settings& settings);

/// The string that Shared Key signs ("Authorize with Shared Key", 2015-02-21 and later). For tests.
std::string string_to_sign(const http::client_request& request, const std::string& account);

} // namespace forebay::origin::azure
