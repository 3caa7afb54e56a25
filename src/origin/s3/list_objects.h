// ListObjectsV2: the request's query and a page of its answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "origin/source.h"

namespace forebay::origin::s3 {

/// The query of one page; `start_after` counts where `continuation` is empty.
struct list_page_request {
  std::string_view prefix;
  bool recursive = false;
  std::string_view start_after, continuation;
  std::size_t max_keys = 1000;
};
std::string list_query(const list_page_request& asked);

/// One page of a listing; keys are whole, as in the bucket.
struct list_page {
  std::vector<list_entry> entries; ///< objects and common prefixes, in the order of their keys
  std::string next;                ///< continuation token; empty: the last page
};

/// broken when the body is not a ListBucketResult or contradicts itself (truncated without a token).
result<list_page> parse_list_page(std::string_view body, const std::string& source);

} // namespace forebay::origin::s3
