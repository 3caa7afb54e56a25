// Structured fields: numbers stay within their bounds, keys are single, and what is behind a dictionary is never ignored.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "http/structured_field.h"
#include "http/targeted_control.h"

using namespace forebay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto parsed = http::structured::parse_dictionary(text);
  if (parsed) {
    std::set<std::string> keys;
    for (const auto& each : *parsed) {
      if (each.key.empty() || !keys.insert(each.key).second) std::abort();
    }
    if (!parsed->empty() && http::structured::parse_dictionary(text + ",")) std::abort();
  }
  http::header_table fields;
  fields.add("CDN-Cache-Control", text);
  fields.add("Cache-Control", "no-store");
  const auto control = http::effective_cache_control(fields);
  if (!control.targeted && !control.directives.no_store) std::abort();
  if (control.directives.max_age && control.directives.max_age->count() > INT32_MAX) std::abort();
  return 0;
}
