// Reads of one part of an object that was uploaded in several (`partNumber`).
#pragma once

#include <cstdint>
#include <string>

#include "base/byte_range.h"
#include "front/s3/s3_call.h"
#include "http/message.h"

namespace forebay::front::s3 {

/// Where a part lies, as its store told.
struct part_place {
  std::string etag;  ///< of the whole object
  std::string count; ///< of its parts; empty for an object that came in one piece
  byte_range range;
  bool pinned = false; ///< If-Match was put onto the request here, not by the client
};

/// Asks the store where the part lies that the request names, by a HEAD that nothing is kept of, and turns the request
/// into one for these bytes of this version: they come through the cache.
net::task<tl::expected<part_place, s3_failure>> aim_at_part(s3_call& call);

/// What is held is older than what the store told of: the request insists on the origin's word now.
void insist_on_origin(s3_call& call);

/// Makes the answer to a read that was aimed at a part S3's answer to a read of it.
void shape_part(const s3_call& call, const part_place& part, http::response& answer);

} // namespace forebay::front::s3
