// OAuth 2 tokens of Google: from a service account's key, a user's refresh token, or the metadata server.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "origin/authority.h"
#include "origin/factory.h"
#include "origin/gcs/location.h"

namespace forebay::origin::gcs {

/// What a source shows, and the part of objects' identities that tells whose it is.
struct shown {
  std::shared_ptr<authority> by; ///< null: anonymous
  std::string scope;
};

/// For `where`: nothing where readers bring tokens; a named entry's google_key, the metadata server where chosen, else
/// the file that GOOGLE_APPLICATION_CREDENTIALS names, else the user's own below ~/.config/gcloud, else none. The
/// metadata server (GCE_METADATA_HOST) is never asked unless chosen. invalid_input where what was named is not there or
/// unreadable. Reads files: start-up and reload only.
result<shown> find_shown(const location& where, const source_settings& settings);

/// A key file, read: what a token is asked for with.
struct key_file {
  std::string client;                       ///< client_email or client_id: no secret
  std::string token_url;                    ///< where tokens are issued
  std::string private_key, private_key_id;  ///< of a service account (PEM)
  std::string client_secret, refresh_token; ///< of a user
  bool service_account() const noexcept { return !private_key.empty(); }
};
/// invalid_input names `where_from`, never what the file holds.
result<key_file> parse_key_file(std::string_view json, const std::string& where_from);

/// The assertion of RFC 7523 that a service account signs (RS256). For tests; invalid_input where the key is none.
result<std::string> sign_assertion(const key_file& key, wall_time now);

} // namespace forebay::origin::gcs
