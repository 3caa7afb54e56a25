// Signing in to Swift: a token, and where the account is.
#pragma once

#include <memory>
#include <string>

#include "origin/authority.h"
#include "origin/factory.h"
#include "origin/swift/location.h"

namespace forebay::origin::swift {

struct session {
  std::string token;
  std::string storage_url; ///< without a slash at its end
};

/// What a Keystone answer (POST /v3/auth/tokens) tells; `token` is its X-Subject-Token. broken where it names no object
/// store of the region and interface.
result<issued<session>> parse_keystone(std::string_view text, std::string token, const location& where);
/// The body of a request for a token.
std::string keystone_request(const location& where, const credential_entry& shown);

/// Signs requests whose URL is still the path below the account ("/container/key"): it puts the account's URL before
/// it. One per account and user, shared by all sources that use it.
class swift_authority final : public authority {
public:
  /// Null where the container is public and needs none. invalid_input where the credentials are off.
  static result<std::shared_ptr<swift_authority>> find(const location& where, const source_settings& settings);

  explicit swift_authority(renewed<session> token, std::string storage_url)
      : token_(std::move(token)), storage_url_(std::move(storage_url)) {}
  net::task<result<ticket>> authorise(http::client_request* request, net::deadline until) override;
  bool refused(const ticket& shown) override;

private:
  renewed<session> token_;
  std::string storage_url_; ///< the operator's word; empty: the session's
};

/// For identities: the public part of who signs in.
std::string scope_of(const location& where, const source_settings& settings);

} // namespace forebay::origin::swift
