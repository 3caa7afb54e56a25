// Range and Content-Range: what is selected lies within the object, once, and what is written reads back.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/range.h"

namespace {

using namespace forebay;

void check_selection(const std::vector<http::range_spec>& specs, std::uint64_t length_bytes) {
  const auto chosen = http::select_ranges(specs, length_bytes);
  if (chosen.size() > specs.size()) std::abort();
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i].empty() || chosen[i].end > length_bytes) std::abort();
    for (std::size_t j = 0; j < i; ++j) {
      const bool apart = chosen[i].end < chosen[j].begin || chosen[j].end < chosen[i].begin;
      if (!apart) std::abort();
    }
    const auto back = http::parse_range(http::format_range(chosen[i]));
    if (!back || http::resolve(back->front(), length_bytes) != chosen[i]) std::abort();
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto specs = http::parse_range(text)) {
    if (specs->empty() || specs->size() > http::max_ranges) std::abort();
    for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, UINT64_MAX}) {
      check_selection(*specs, length);
    }
  }
  if (const auto content = http::parse_content_range(text)) {
    if (!content->range && !content->length_bytes) std::abort();
    if (!content->range) return 0;
    if (content->range->empty()) std::abort();
    const auto back = http::parse_content_range(http::format_content_range(*content->range, content->length_bytes));
    if (!back || back->range != content->range || back->length_bytes != content->length_bytes) std::abort();
  }
  return 0;
}
