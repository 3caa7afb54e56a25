#include "origin/swift/container_listing.h"

#include <fmt/format.h>

#include "base/text.h"
#include "origin/iso_time.h"
#include "origin/json_text.h"

namespace forebay::origin::swift {

using nlohmann::json;

std::string list_query(const list_page_request& asked) {
  std::string query = fmt::format("format=json&limit={}", asked.limit);
  if (!asked.prefix.empty()) query += "&prefix=" + percent_encode(asked.prefix);
  if (!asked.marker.empty()) query += "&marker=" + percent_encode(asked.marker);
  if (!asked.recursive) query += "&delimiter=%2F";
  return query;
}

result<list_page> parse_list_page(std::string_view text, const std::string& source) {
  const json document = parse_json(text);
  const auto unreadable = [&] { return fail(error_kind::broken, source, "its listing is not what Swift writes"); };
  if (!document.is_array()) return unreadable();
  list_page page;
  for (const json& each : document) {
    if (!each.is_object()) return unreadable();
    list_entry entry;
    const bool directory = each.contains("subdir");
    const auto name = each.find(directory ? "subdir" : "name");
    if (name == each.end() || !name->is_string()) return unreadable();
    entry.key = name->get<std::string>();
    entry.directory = directory;
    page.last = entry.key;
    if (!directory) {
      if (const auto bytes = each.find("bytes"); bytes != each.end() && bytes->is_number_unsigned()) {
        entry.length_bytes = bytes->get<std::uint64_t>();
      }
      // Of a static large object `hash` is the manifest's; its readers see `slo_etag`, which has its quotes.
      const auto slo = each.find("slo_etag"), hash = each.find("hash");
      if (slo != each.end() && slo->is_string()) {
        entry.etag = slo->get<std::string>();
      } else if (hash != each.end() && hash->is_string()) {
        entry.etag = "\"" + hash->get<std::string>() + "\"";
      }
      const auto modified = each.find("last_modified");
      if (modified != each.end() && modified->is_string()) {
        entry.modified = parse_iso_time(modified->get<std::string>() + "Z");
      }
    }
    page.entries.push_back(std::move(entry));
  }
  return page;
}

} // namespace forebay::origin::swift
