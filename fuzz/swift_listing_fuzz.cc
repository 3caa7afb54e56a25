// Listings of Swift containers: no bytes crash their reader.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "origin/swift/container_listing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto page = forebay::origin::swift::parse_list_page(text, "fuzz");
  if (page && page->entries.empty() != page->last.empty() && !page->entries.back().key.empty()) std::abort();
  return 0;
}
