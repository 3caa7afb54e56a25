// AWS Signature Version 4 in the Authorization header.
#pragma once

#include <array>
#include <cstdint>
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

/// A header value in canonical form: without outer spaces, runs of spaces become one.
std::string canonical_value(std::string_view value);
/// "20130524/us-east-1/s3/aws4_request".
std::string credential_scope(std::string_view date, std::string_view region, std::string_view service);
/// What is signed in the end, of a canonical request.
std::string string_to_sign(std::string_view timestamp, std::string_view scope, std::string_view canonical);
/// The key of one day, region and service.
std::array<std::uint8_t, 32> signing_key(std::string_view secret, std::string_view date, std::string_view region,
                                         std::string_view service);

/// The string that `sign` hashes last, for tests against independent values.
std::string canonical_request(const signed_request& request, const http::header_table& fields,
                              std::string& signed_names);

} // namespace forebay::origin::s3
