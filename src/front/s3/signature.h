// Who asks: AWS Signature Version 4 of a request, in its header or in its query.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "front/s3/s3_error.h"
#include "http/message.h"

namespace forebay::front::s3 {

/// A key that clients may sign with.
struct access_key {
  std::string access_key_id, secret;
  std::vector<std::string> buckets; ///< globs
  bool write = false;
};

/// What a signed request claims; nothing of it is true before `verify`.
struct authorization {
  std::string access_key_id, date, region;     ///< `date`: "20130524"
  std::string timestamp;                       ///< "20130524T000000Z"
  std::vector<std::string> signed_names;       ///< lower-case, in their order
  std::string signature;                       ///< 64 hexadecimal digits
  std::string payload;                         ///< x-amz-content-sha256: a hash, or a word
  std::optional<std::chrono::seconds> expires; ///< presigned: how long after `timestamp`
};

/// The claim of a request; nothing where it is not signed by this version (whoever signs otherwise is anonymous).
/// Malformed claims fail with S3's codes.
tl::expected<std::optional<authorization>, s3_failure> read_authorization(const http::request_head& head);

/// Whether the claim holds for this secret: time (15 minutes either way; presigned: until it expires, a week at most),
/// that Host and every x-amz-* field were signed, and the signature itself, compared in constant time.
std::optional<s3_failure> verify(const authorization& claim, std::string_view secret, const http::request_head& head,
                                 wall_time now);

/// How far a client's clock may be off, and how long a presigned URL may hold.
inline constexpr std::chrono::minutes clock_skew_max{15};
inline constexpr std::chrono::seconds presigned_max{7 * 86'400};

/// What the chunks of a signed upload are signed with.
struct chunk_signing {
  std::array<std::uint8_t, 32> key{};
  std::string timestamp, scope;
  std::string previous; ///< the signature of what came before
};
chunk_signing begin_chunks(const authorization& claim, std::string_view secret);

} // namespace forebay::front::s3
