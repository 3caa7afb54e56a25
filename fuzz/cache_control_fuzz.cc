// Cache-Control: numbers stay within their bounds, and no text in front can hide a directive that forbids.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/cache_control.h"

namespace {

using namespace forebay;

void check_bounds(const std::optional<std::chrono::seconds>& value) {
  if (value && (value->count() < 0 || value->count() > INT32_MAX)) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto parsed = http::parse_cache_control(text);
  for (const auto& value : {parsed.max_age, parsed.s_maxage, parsed.max_stale, parsed.min_fresh,
                            parsed.stale_while_revalidate, parsed.stale_if_error}) {
    check_bounds(value);
  }
  for (const auto* fields : {&parsed.no_cache_fields, &parsed.private_fields}) {
    for (const auto& name : *fields) {
      if (name.empty()) std::abort();
    }
  }
  const auto forbidden = http::parse_cache_control(text + ", no-store, max-age=0");
  if (!forbidden.no_store || !forbidden.max_age || forbidden.max_age->count() != 0) std::abort();
  return 0;
}
