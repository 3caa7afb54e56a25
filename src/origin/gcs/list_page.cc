#include "origin/gcs/list_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "origin/iso_time.h"
#include "origin/json_text.h"

namespace forebay::origin::gcs {
namespace {

std::string text_of(const nlohmann::json& in, const char* key) {
  const auto at = in.find(key);
  return at != in.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::optional<list_entry> read_object(const nlohmann::json& item) {
  if (!item.is_object()) return std::nullopt;
  list_entry entry;
  entry.key = text_of(item, "name");
  if (entry.key.empty()) return std::nullopt;
  entry.length_bytes = parse_u64(text_of(item, "size")); // 64-bit numbers are text in this API
  entry.modified = parse_iso_time(text_of(item, "updated"));
  entry.etag = text_of(item, "etag");
  if (!entry.etag.empty() && entry.etag.front() != '"') entry.etag = '"' + entry.etag + '"';
  return entry;
}

} // namespace

std::string list_query(const list_page_request& asked) {
  std::string query = fmt::format("maxResults={}&prefix={}", asked.max_results, percent_encode(asked.prefix));
  if (!asked.recursive) query += "&delimiter=%2F";
  if (!asked.continuation.empty())
    query += "&pageToken=" + percent_encode(asked.continuation);
  else if (!asked.start_after.empty())
    query += "&startOffset=" + percent_encode(asked.start_after);
  return query + "&fields=nextPageToken%2Cprefixes%2Citems%28name%2Csize%2Cupdated%2Cetag%29";
}

result<list_page> parse_list_page(std::string_view body, const std::string& source) {
  const auto broken = [&](const char* what) {
    return fail(error_kind::broken, source, fmt::format("its listing {}", what));
  };
  const auto json = parse_json(body);
  if (!json.is_object()) return broken("is no JSON object");
  list_page page;
  const auto none = nlohmann::json::array();
  const auto each_of = [&json, &none](const char* key) -> const nlohmann::json& {
    const auto at = json.find(key);
    return at != json.end() && at->is_array() ? *at : none;
  };
  for (const auto& item : each_of("items")) {
    auto entry = read_object(item);
    if (!entry) return broken("holds an object without a name");
    page.entries.push_back(std::move(*entry));
  }
  for (const auto& prefix : each_of("prefixes")) {
    if (!prefix.is_string()) return broken("holds a prefix that is no text");
    list_entry entry;
    entry.key = prefix.get<std::string>();
    entry.directory = true;
    page.entries.push_back(std::move(entry));
  }
  std::sort(page.entries.begin(), page.entries.end(),
            [](const list_entry& a, const list_entry& b) { return a.key < b.key; });
  page.next = text_of(json, "nextPageToken");
  return page;
}

} // namespace forebay::origin::gcs
