// Signed URLs: a right to one path, or to all below it, that ends by itself and needs no token.
//
// The signature is HMAC-SHA256 over words of the request (docs/reference/signed-urls.md). Its parameters are taken out
// of the query before anything else reads it: no key, log or origin sees them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/address.h"

namespace forebay::space {

/// Shortest secret that a signature may be made with: as long as what it makes.
inline constexpr std::size_t signing_secret_bytes_min = 32;

/// A key by which URLs are signed. Several may hold at a time, so that they can be changed.
struct signing_key {
  std::string id;
  std::string secret;
};

/// What a signature is for.
struct signed_terms {
  std::string method;                   ///< "GET" is for HEAD, too
  std::string path;                     ///< raw, with or without escapes; of a prefix: the directory
  bool below = false;                   ///< for `path` and everything below it, instead of `path` alone
  std::string query;                    ///< the rest of the query; with `below` there may be none
  std::uint64_t expires = 0;            ///< seconds since 1970
  std::optional<std::string> network{}; ///< clients of this network alone, as written
};

/// The parameters of a signature, as they came. Nothing of them is true before `verify_signature`.
struct url_signature {
  std::string key_id, signature;
  std::uint64_t expires = 0;
  std::optional<std::string> below, network;
};

/// Takes the parameters out of a raw query; nothing where it has none. invalid_input for halves and repetitions.
result<std::optional<url_signature>> take_signature(std::string* query);

/// What is signed by `verify_signature`.
struct signed_request {
  std::string_view method, path, query; ///< path raw; query without the signature
  net::ip_address client;
  wall_time now{};
};

/// forbidden says no more than that the URL has expired, is for another network, or is not signed by a key of ours.
result<void> verify_signature(const url_signature& shown, const signed_request& asked,
                              const std::vector<signing_key>& keys);

/// The query of a signed URL, `terms.query` at its front. invalid_input where the path is none.
result<std::string> sign_query(const signed_terms& terms, const signing_key& key);

} // namespace forebay::space
