// Checksums that stores give with an object, and computing them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/headers.h"

namespace forebay::origin {

enum class digest_kind { sha512, sha256, sha1, md5, crc64nvme, crc32c, crc32 };
std::string_view to_string(digest_kind kind) noexcept;

/// What the whole object's bytes must come to.
struct expected_digest {
  digest_kind kind;
  std::string value; ///< raw bytes, most significant first
  std::string field; ///< where it was written: "x-amz-checksum-sha256"
};

/// The strongest checksum of the whole object in the fields of a 200 (or HEAD): Repr-Digest (RFC 9530),
/// x-amz-checksum-* unless composed of parts, x-goog-hash unless the store unpacked the object, Content-MD5, and
/// the ETag of S3 where it is an MD5 (one part, and not encrypted with a key of KMS or the customer).
std::optional<expected_digest> find_digest(const http::header_table& fields);
/// All of them, the strongest first.
std::vector<expected_digest> find_digests(const http::header_table& fields);
/// Of several the one that costs least to compute: for bytes that pass on their way to readers.
std::optional<expected_digest> find_quick_digest(const http::header_table& fields);

/// Computes one digest over bytes as they come. Not thread-safe.
class digester {
public:
  virtual ~digester() = default;
  virtual void update(std::span<const std::byte> bytes) = 0;
  virtual std::string finish() = 0; ///< raw bytes, most significant first; ends it
  static std::unique_ptr<digester> make(digest_kind kind);
};

} // namespace forebay::origin
