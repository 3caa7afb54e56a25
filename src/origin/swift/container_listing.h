// Pages of container listings, as Swift writes them in JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "origin/source.h"

namespace forebay::origin::swift {

struct list_page_request {
  std::string prefix, marker;
  bool recursive = false;
  std::size_t limit = 0;
};
/// "?format=json&..." without the '?'.
std::string list_query(const list_page_request& asked);

struct list_page {
  std::vector<list_entry> entries; ///< whole keys
  std::string last;                ///< the name of the page's last entry; empty: the page was
};
/// broken where `text` is no such page.
result<list_page> parse_list_page(std::string_view text, const std::string& source);

} // namespace forebay::origin::swift
