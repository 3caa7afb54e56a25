// ListObjects, versions 1 and 2: from the origin's pages to S3's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/listings.h"
#include "cache/report.h"
#include "front/s3/s3_error.h"
#include "front/s3/s3_request.h"

namespace forebay::front::s3 {

/// What a client asked for, checked.
struct list_wish {
  bool second_version = false;
  std::string prefix, delimiter;
  std::string start_after;          ///< V1: marker
  std::optional<std::string> token; ///< V2: continuation-token, as it came
  std::size_t max_keys = 1000;      ///< 0 is allowed, and asks nobody
  bool url_encoded = false, with_owner = false;
  bool insists = false;        ///< on the origin's word of now
  origin::shown_token right{}; ///< what the reader brought, where the origin decides
  /// Of a key that is left out: where the listing goes on (front/nested_keys.h). Unset: none is.
  std::function<std::optional<std::string>(const std::string& key)> hidden{};
};
/// Fails with InvalidArgument.
tl::expected<list_wish, s3_failure> read_list_wish(const s3_request& asked);

/// One page as S3 has it.
struct list_page {
  std::vector<origin::list_entry> objects;
  std::vector<std::string> common_prefixes;
  std::string last;       ///< the last key or common prefix of both; V1's NextMarker
  std::string next_token; ///< V2's NextContinuationToken; empty: this is the last page
};

/// Where a page begins. Tokens are "k" and a key, or "n" and a continuation of the listing cache, in hexadecimal.
struct list_position {
  std::string start_after, continuation;
};
std::string make_token(const list_position& at);
std::optional<list_position> read_token(std::string_view token);

/// How many of an origin's pages one request may read where the origin cannot cut at the delimiter; then it ends early,
/// truncated, and the client goes on.
inline constexpr unsigned pages_per_request = 20;

/// Takes entries of a recursive listing and rolls up what lies behind the delimiter. Pure.
class collapser {
public:
  collapser(const list_wish& asked, std::string start_after);
  /// False when the page is full: the entry belongs to the next one.
  bool take(const origin::list_entry& entry);
  /// Where the listing goes on: behind everything that the last common prefix holds.
  std::string resume_after() const;
  bool in_common_prefix() const noexcept { return !open_prefix_.empty(); }
  list_page page;

private:
  const list_wish& asked_;
  std::string position_;    ///< the last key or common prefix that was seen
  std::string open_prefix_; ///< the common prefix that was given last; what is below it is passed over
};

net::task<result<list_page>> list_objects(cache::listing_cache& listings,
                                          std::shared_ptr<const space::name_space> space, list_wish asked,
                                          std::chrono::milliseconds timeout, cache::lookup_report* report);

/// The ListBucketResult.
std::string render(const list_wish& asked, const list_page& page, std::string_view bucket);

/// "2006-02-03T16:45:09.000Z"; a date that nobody knows is the epoch's, because clients parse the field of every entry.
std::string format_timestamp(std::optional<wall_time> when);

} // namespace forebay::front::s3
