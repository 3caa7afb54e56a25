// One request of an S3 client, from its head to its answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cache/cache.h"
#include "front/notes.h"
#include "front/s3/s3_error.h"
#include "front/s3/s3_request.h"
#include "front/s3/signature.h"
#include "http/server.h"
#include "space/space.h"

namespace forebay::front::s3 {

/// The configuration as the S3 listener sees it: immutable, replaced as a whole by a reload.
struct s3_settings {
  std::shared_ptr<const web_settings> common; ///< what all listeners of readers share
  std::vector<std::string> hosts;             ///< buckets are subdomains of these
  std::vector<access_key> keys;
};

/// Lives on the frame of the front's coroutine; what it refers to lives at least as long.
struct s3_call {
  http::request& asked;
  exchange_notes& notes;
  const s3_settings& settings;
  cache::content_cache& cache;
  s3_request what;
  std::optional<authorization> claim; ///< of a request that is signed, by whomever
  const access_key* who = nullptr;    ///< whose signature was verified; null: anybody
  space::placement where;

  bool head_only() const noexcept { return asked.head.method == "HEAD"; }
  /// Whether a key of ours was shown that is for this bucket.
  bool shows_key() const;
};

using s3_outcome = tl::expected<http::response, s3_failure>;
tl::unexpected<s3_failure> refuse(unsigned status, std::string code, std::string message);
inline tl::unexpected<s3_failure> refuse(s3_failure why) { return tl::unexpected(std::move(why)); }

/// GET and HEAD of a bucket and of an object.
net::task<s3_outcome> read_bucket(s3_call& call);
net::task<s3_outcome> read_key(s3_call& call);
/// GET of the service: the namespaces that the caller may read.
http::response list_buckets(const s3_call& call);

/// PUT, POST and DELETE, where the namespace lets writes pass and the key may write.
net::task<s3_outcome> write(s3_call& call);
/// GET of what only the origin knows: uploads in progress and their parts.
net::task<s3_outcome> read_uploads(s3_call& call);

} // namespace forebay::front::s3
