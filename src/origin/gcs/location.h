// From "gs://bucket/prefix?..." to hosts and paths.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "origin/store_url.h"

namespace forebay::origin::gcs {

inline constexpr std::string_view public_endpoint = "https://storage.googleapis.com";

/// A parsed "gs://bucket[/prefix]?endpoint=&anonymous=true&credentials=NAME&auth=metadata&user_project=".
struct location {
  std::string bucket;
  std::string prefix; ///< decoded, without the slashes around it
  store_endpoint endpoint;
  bool anonymous = false;
  bool metadata = false;    ///< tokens of the metadata server
  std::string credentials;  ///< name of a `[[credentials]]` entry
  std::string user_project; ///< who pays where the bucket wants its readers to
};

/// invalid_input says what was found and what was expected.
result<location> parse_location(std::string_view url);

} // namespace forebay::origin::gcs
