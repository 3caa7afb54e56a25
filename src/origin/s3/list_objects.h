// ListObjectsV2: the request's query and a page of its answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "origin/source.h"

namespace forebay::origin::s3 {

/// The query of one page.
std::string list_query(std::string_view prefix, bool recursive, std::string_view continuation, std::size_t max_keys);

/// One page of a listing; keys are whole, as in the bucket.
struct list_page {
  std::vector<list_entry> entries; ///< objects, then common prefixes
  std::string next;                ///< continuation token; empty: the last page
};

/// broken when the body is not a ListBucketResult or contradicts itself (truncated without a token).
result<list_page> parse_list_page(std::string_view body, const std::string& source);

} // namespace forebay::origin::s3
