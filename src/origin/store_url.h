// The parts of a store's URL as operators write it: "gs://bucket/prefix?anonymous=true".
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace forebay::origin {

struct store_url {
  std::string authority;                                       ///< between "://" and the first '/'
  std::string path;                                            ///< decoded, without slashes around it
  std::vector<std::pair<std::string, std::string>> parameters; ///< values decoded
};

/// invalid_input for bad escapes.
result<store_url> parse_store_url(std::string_view url);

/// "found the unknown parameter ..." for one that is none of `known`.
error unknown_parameter(std::string_view url, std::string_view name, const std::vector<std::string_view>& known);
/// "true" or "false".
result<bool> parse_flag(std::string_view url, const std::string& name, const std::string& value);

/// "found endpoint ..., expected ...": of an endpoint that holds a user, and so maybe a password, nothing is repeated.
std::string unusable_endpoint(std::string_view endpoint);

/// Where a store's protocol is spoken.
struct store_endpoint {
  std::string origin;    ///< "https://storage.googleapis.com", a usual port left out
  std::string host;      ///< as in the Host field
  std::string base_path; ///< without trailing slash
  std::string canonical; ///< "https://storage.googleapis.com:443" with the base path: part of identities
};
/// `url` is the origin that named it (for the error).
result<store_endpoint> parse_store_endpoint(std::string_view url, const std::string& endpoint);

/// A key below a prefix, both without slashes where they meet.
std::string join_key(const std::string& prefix, const std::string& key);

} // namespace forebay::origin
