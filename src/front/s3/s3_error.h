// Errors as S3 clients read them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"
#include "http/server.h"

namespace forebay::front::s3 {

/// A status with one of S3's codes, by which clients decide whether to try again.
struct s3_failure {
  unsigned status = 500;
  std::string code, message;
  std::optional<std::chrono::seconds> retry_after{};
  error_kind kind = error_kind::invalid_input; ///< for metrics
};

/// What a failure is about: the same "not found" is NoSuchKey of an object and NoSuchBucket of a bucket.
enum class subject { object, bucket };

/// A store that cannot be reached is 503 (clients try again), never a NoSuchKey (Zarr readers fill in zeros).
s3_failure failure_of(const error& why, subject about);

/// The document, with the request's id; `head_only` keeps the body back. CORS and ids are added by the front.
http::response make_failure(const s3_failure& why, const http::request& asked);

/// A whole XML document: the declaration, and `body`.
http::response make_xml(unsigned status, std::string body, bool head_only);
/// "<name>text</name>", escaped; what no XML can hold is replaced.
void append_element(std::string& out, std::string_view name, std::string_view text);

} // namespace forebay::front::s3
