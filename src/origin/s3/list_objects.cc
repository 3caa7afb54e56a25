#include "origin/s3/list_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <pugixml.hpp>

#include "base/text.h"
#include "origin/iso_time.h"
#include "origin/s3/sigv4.h"

namespace forebay::origin::s3 {
namespace {

/// encoding-type=url is the encoding of forms: a plus is a space.
std::optional<std::string> decode_key(std::string_view text, bool encoded) {
  if (!encoded) return std::string(text);
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return percent_decode(spaced);
}

std::optional<list_entry> read_object(const pugi::xml_node& node, bool encoded) {
  const auto key = decode_key(node.child_value("Key"), encoded);
  if (!key || key->empty()) return std::nullopt;
  list_entry entry;
  entry.key = *key;
  entry.length_bytes = parse_u64(node.child_value("Size"));
  entry.modified = parse_iso_time(node.child_value("LastModified"));
  entry.etag = node.child_value("ETag");
  if (!entry.etag.empty() && entry.etag.front() != '"') entry.etag = '"' + entry.etag + '"';
  return entry;
}

} // namespace

std::string list_query(const list_page_request& asked) {
  std::string query;
  if (!asked.continuation.empty()) query += "continuation-token=" + encode_parameter(asked.continuation) + "&";
  if (!asked.recursive) query += "delimiter=%2F&";
  query += fmt::format("encoding-type=url&list-type=2&max-keys={}&prefix={}", asked.max_keys,
                       encode_parameter(asked.prefix));
  if (asked.continuation.empty() && !asked.start_after.empty()) {
    query += "&start-after=" + encode_parameter(asked.start_after);
  }
  return query;
}

result<list_page> parse_list_page(std::string_view body, const std::string& source) {
  const auto broken = [&](std::string_view what) {
    return fail(error_kind::broken, source, fmt::format("its listing {}", what));
  };
  pugi::xml_document document;
  const auto parsed = document.load_buffer(body.data(), body.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) return broken(fmt::format("is not XML: {}", parsed.description()));
  const pugi::xml_node root = document.document_element();
  if (std::string_view(root.name()) != "ListBucketResult")
    return broken(fmt::format("is a <{}>", std::string_view(root.name()).substr(0, 40)));
  const bool encoded = std::string_view(root.child_value("EncodingType")) == "url";
  list_page page;
  for (const pugi::xml_node each : root.children("Contents")) {
    auto entry = read_object(each, encoded);
    if (!entry) return broken("holds an object without a readable key");
    page.entries.push_back(std::move(*entry));
  }
  for (const pugi::xml_node each : root.children("CommonPrefixes")) {
    const auto prefix = decode_key(each.child_value("Prefix"), encoded);
    if (!prefix || prefix->empty()) return broken("holds a prefix that cannot be read");
    list_entry entry;
    entry.key = *prefix;
    entry.directory = true;
    page.entries.push_back(std::move(entry));
  }
  std::sort(page.entries.begin(), page.entries.end(),
            [](const list_entry& a, const list_entry& b) { return a.key < b.key; });
  page.next = root.child_value("NextContinuationToken");
  const bool truncated = std::string_view(root.child_value("IsTruncated")) == "true";
  if (truncated && page.next.empty()) return broken("goes on, but says not where");
  if (!truncated) page.next.clear();
  return page;
}

} // namespace forebay::origin::s3
