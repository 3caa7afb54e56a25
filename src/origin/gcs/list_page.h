// A page of objects in Google's JSON API (objects.list).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "origin/source.h"

namespace forebay::origin::gcs {

/// The query of one page; `start_after` counts where `continuation` is empty. The store's startOffset includes its key.
struct list_page_request {
  std::string_view prefix;
  bool recursive = false;
  std::string_view start_after, continuation;
  std::size_t max_results = 1000;
};
std::string list_query(const list_page_request& asked);

struct list_page {
  std::vector<list_entry> entries; ///< objects and common prefixes, in the order of their keys; keys are whole
  std::string next;                ///< pageToken of the next page; empty: the last one
};

/// broken where the body is no such page.
result<list_page> parse_list_page(std::string_view body, const std::string& source);

} // namespace forebay::origin::gcs
