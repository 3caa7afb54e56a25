#include "origin/azure/list_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <pugixml.hpp>

#include "base/text.h"
#include "http/date.h"

namespace forebay::origin::azure {
namespace {

/// Names that XML cannot hold come percent-encoded.
std::optional<std::string> name_of(const pugi::xml_node& node) {
  const pugi::xml_node name = node.child("Name");
  const std::string text = name.child_value();
  return name.attribute("Encoded").as_bool() ? percent_decode(text) : text;
}

/// A directory that hierarchical names made, or that Hadoop's old driver marked with an empty blob.
bool is_directory(const pugi::xml_node& blob) {
  const pugi::xml_node properties = blob.child("Properties");
  return std::string_view(properties.child_value("ResourceType")) == "directory" ||
         std::string_view(blob.child("Metadata").child_value("hdi_isfolder")) == "true";
}

list_entry read_blob(const pugi::xml_node& blob, std::string key) {
  const pugi::xml_node properties = blob.child("Properties");
  list_entry entry;
  entry.key = std::move(key);
  entry.length_bytes = parse_u64(properties.child_value("Content-Length"));
  entry.modified = http::parse_date(properties.child_value("Last-Modified"), system_clock().wall());
  entry.etag = properties.child_value("Etag");
  if (!entry.etag.empty() && entry.etag.front() != '"') entry.etag = '"' + entry.etag + '"';
  return entry;
}

} // namespace

std::string list_query(const list_page_request& asked) {
  std::string query = fmt::format("restype=container&comp=list&include=metadata&maxresults={}", asked.max_results);
  if (!asked.prefix.empty()) query += "&prefix=" + percent_encode(asked.prefix);
  if (!asked.recursive) query += "&delimiter=%2F";
  if (!asked.continuation.empty()) query += "&marker=" + percent_encode(asked.continuation);
  return query;
}

result<list_page> parse_list_page(std::string_view body, const std::string& source) {
  const auto broken = [&](const char* what) {
    return fail(error_kind::broken, source, fmt::format("its listing {}", what));
  };
  pugi::xml_document document;
  // Names may begin or end with blanks, or be nothing else.
  constexpr unsigned options = pugi::parse_default | pugi::parse_ws_pcdata_single;
  if (!document.load_buffer(body.data(), body.size(), options, pugi::encoding_utf8)) return broken("is not XML");
  const pugi::xml_node root = document.child("EnumerationResults");
  if (!root || !root.child("Blobs")) return broken("is no EnumerationResults");
  list_page page;
  for (const pugi::xml_node blob : root.child("Blobs").children("Blob")) {
    auto key = name_of(blob);
    if (!key || key->empty()) return broken("holds a blob without a readable name");
    if (!is_directory(blob)) page.entries.push_back(read_blob(blob, std::move(*key)));
  }
  for (const pugi::xml_node prefix : root.child("Blobs").children("BlobPrefix")) {
    const auto key = name_of(prefix);
    if (!key || key->empty()) return broken("holds a prefix without a readable name");
    list_entry entry;
    entry.key = *key;
    entry.directory = true;
    page.entries.push_back(std::move(entry));
  }
  std::sort(page.entries.begin(), page.entries.end(),
            [](const list_entry& a, const list_entry& b) { return a.key < b.key; });
  page.next = root.child_value("NextMarker");
  return page;
}

} // namespace forebay::origin::azure
