// What an S3 client asks about: bucket, key and parameters, in path or virtual-host style.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace forebay::front::s3 {

struct parameter {
  std::string name, value; ///< decoded
};

struct s3_request {
  std::string bucket; ///< empty: the service itself
  std::string key;    ///< decoded; empty: the bucket itself
  std::vector<parameter> query;

  /// The value of the first parameter of that name; null when there is none.
  const std::string* find(std::string_view name) const noexcept;
  bool has(std::string_view name) const noexcept { return find(name) != nullptr; }
};

/// Reads target and Host. `hosts`: names of this node, below which the first label is a bucket. invalid_input for what
/// is no target, and for keys with "." or ".." as a segment, which no origin gets to see.
result<s3_request> read_request(const http::request_head& head, const std::vector<std::string>& hosts);

/// The parameters of a raw query, decoded ('+' is a space, as forms have it and S3 reads it).
std::vector<parameter> read_query(std::string_view raw);

/// Whether a request to a listener that serves data as well is meant for S3: it is signed as S3's are, or its Host is
/// one of `hosts` or below.
bool is_for_s3(const http::request_head& head, const std::vector<std::string>& hosts);

} // namespace forebay::front::s3
