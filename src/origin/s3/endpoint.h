// From "s3://bucket/prefix?..." to hosts and paths.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "origin/s3/credentials.h"

namespace forebay::origin::s3 {

enum class addressing { path, virtual_host };

/// S3's rules for a bucket's name, which make it a part of a host's name. Stores that are addressed by path may hold
/// older names that break them.
bool is_bucket_name(std::string_view name) noexcept;
inline constexpr std::string_view bucket_name_rules = "a bucket's name: 3 to 63 lower-case letters, digits, '-' and "
                                                      "'.', a letter or digit at both ends, no \"..\", no IP "
                                                      "address";

/// A parsed "s3://bucket[/prefix]?endpoint=&region=&anonymous=true&style=path|virtual&profile=&credentials=&
/// auth=instance|container|web-identity&requester_pays=true".
struct location {
  std::string bucket;
  std::string prefix;                 ///< decoded, without the slashes around it; empty: the whole bucket
  std::string scheme = "https", host; ///< of a named endpoint; `host` empty: AWS, whose host follows the region
  std::uint16_t port = 443;
  std::string base_path; ///< of an endpoint below a path, without trailing slash
  std::string region;
  addressing style = addressing::virtual_host;
  key_choice keys;
  bool requester_pays = false;

  bool aws() const noexcept { return host.empty(); }
};

/// invalid_input says what was found and what was expected; unknown parameters are mistakes.
result<location> parse_location(std::string_view url);

/// Where a request goes and what is signed of it.
struct address {
  std::string origin;       ///< "https://bucket.s3.eu-west-1.amazonaws.com", default port left out
  std::string host;         ///< as in the Host field
  std::string encoded_path; ///< canonical (sigv4.h)
};

/// The address of an object (or, with an empty key, of the bucket) in `region`.
address address_of(const location& where, std::string_view region, std::string_view full_key);

/// "https://s3.amazonaws.com:443" for all regions of AWS' public partition (bucket names are global there), else the
/// endpoint: part of an object's identity.
std::string canonical_endpoint(const location& where);

/// The S3 address behind the URL of a public AWS host ("https://bucket.s3.us-east-1.amazonaws.com/key", or with
/// the bucket in the path; port 443), so that one bucket under two URLs is one copy. Nothing for other hosts, nor for
/// regions of a partition that we do not know: their buckets may have the names of others.
struct recognised {
  std::string endpoint; ///< canonical_endpoint of the partition
  std::string bucket, key;
};
std::optional<recognised> recognise_aws(std::string_view host, std::string_view encoded_path);

} // namespace forebay::origin::s3
