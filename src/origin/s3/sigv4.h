// AWS Signature Version 4 in the Authorization header.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/headers.h"

namespace forebay::origin::s3 {

/// Keys of one identity at a store.
struct access_keys {
  std::string access_key_id, secret_access_key;
  std::string session_token; ///< of temporary keys, else empty
};

/// Payload hashes that need no look at the body.
inline constexpr std::string_view empty_payload_sha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
inline constexpr std::string_view unsigned_payload = "UNSIGNED-PAYLOAD";

/// What is signed of a request.
struct signed_request {
  std::string method;
  std::string host;         ///< as the Host field will have it (no default port)
  std::string encoded_path; ///< the path as it is sent: `encode_key` of every byte but '/'
  std::string query;        ///< raw query as it is sent, without '?'
  std::string payload_hash;
};

/// The bytes of a key (or of a whole path) as S3 canonicalises them: all but unreserved characters and '/' are
/// percent-encoded, once; "//", "." and ".." stay.
std::string encode_key(std::string_view key);
/// A query parameter's name or value in canonical form.
std::string encode_parameter(std::string_view text);
/// The canonical query: parameters decoded and encoded again, sorted by name and value, "=" always present.
std::string canonical_query(std::string_view raw);

/// Adds x-amz-date, x-amz-content-sha256, x-amz-security-token (with temporary keys) and Authorization to
/// `fields`. Signed are Host and every x-amz-* and Content-MD5 field there; others may be changed by proxies.
void sign(const signed_request& request, http::header_table& fields, const access_keys& keys, std::string_view region,
          wall_time when, std::string_view service = "s3");

/// The string that `sign` hashes last, for tests against independent values.
std::string canonical_request(const signed_request& request, const http::header_table& fields,
                              std::string& signed_names);

} // namespace forebay::origin::s3
