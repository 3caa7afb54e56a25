// Listings as WebDAV spells them (RFC 4918 §9.1, §14.16): pure text, no I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/headers.h"
#include "http/message.h"
#include "origin/source.h"

namespace forebay::front {

enum class listing_depth { zero, one, infinity };
/// The Depth field (RFC 4918 §10.2); absent means infinity; nothing for another word.
std::optional<listing_depth> parse_depth(const http::header_table& fields);

/// One member of a multistatus. Collections have a length (0) and a date as well: clients of Pelican read both of
/// every entry. An object's unknown length is left out: a reader that believed 0 would read nothing.
struct dav_resource {
  std::string href; ///< percent-encoded path; of a collection with a slash at its end
  bool collection = false;
  std::optional<std::uint64_t> length_bytes;
  std::optional<wall_time> modified;
  std::string etag;
};
void append_response(std::string& out, const dav_resource& resource);

/// `path` (raw, from a request) in its one spelling: everything but unreserved characters and '/' is encoded.
std::string canonical_href(std::string_view path);

/// The members of a listing of `prefix` ("" or ending in '/') whose collection is at `base_href`: the collection
/// itself first (with the latest date of its members), then every entry below it. With `recursive`, directories
/// that the store does not list are derived from the keys.
std::vector<dav_resource> resources_of(const std::vector<origin::list_entry>& listed, std::string_view prefix,
                                       const std::string& base_href, bool recursive);

/// The body of a 207, rendered piece by piece: a listing of 100,000 members must not hold up the loop.
std::unique_ptr<http::body_source> make_multistatus(std::vector<dav_resource> resources);
/// The same as a whole.
std::string render_multistatus(const std::vector<dav_resource>& resources);

} // namespace forebay::front
