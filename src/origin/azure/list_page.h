// A page of List Blobs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "origin/source.h"

namespace forebay::origin::azure {

struct list_page_request {
  std::string_view prefix;
  bool recursive = false;
  std::string_view continuation;
  std::size_t max_results = 1000;
};
std::string list_query(const list_page_request& asked);

struct list_page {
  std::vector<list_entry> entries; ///< blobs and prefixes, in the order of their keys; keys are whole
  std::string next;                ///< marker of the next page; empty: the last one
};

/// Directories of accounts with hierarchical names are no entries of a recursive listing, and end in '/' in others.
/// broken where the body is no such page.
result<list_page> parse_list_page(std::string_view body, const std::string& source);

} // namespace forebay::origin::azure
