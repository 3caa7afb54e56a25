#include "app/dav_listing.h"

#include <pugixml.hpp>

#include "base/text.h"

namespace forebay::app {
namespace {

std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  return name.substr(name.find(':') + 1); // npos + 1 is 0: no prefix
}

pugi::xml_node child(const pugi::xml_node& of, std::string_view name) {
  for (const pugi::xml_node& one : of.children()) {
    if (local_name(one) == name) return one;
  }
  return {};
}

/// Path of an href, which may be a whole URL.
std::string path_of(std::string_view href) {
  const auto scheme = href.find("://");
  if (scheme == std::string_view::npos) return std::string(href);
  const auto slash = href.find('/', scheme + 3);
  return slash == std::string_view::npos ? "/" : std::string(href.substr(slash));
}

std::string comparable(std::string_view path) {
  std::string decoded = percent_decode(path).value_or(std::string(path));
  while (decoded.size() > 1 && decoded.ends_with('/')) decoded.pop_back();
  return decoded;
}

} // namespace

result<std::vector<dav_entry>> parse_listing(std::string_view xml, std::string_view self) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node root = document.document_element();
  if (!parsed || local_name(root) != "multistatus") {
    return fail(error_kind::broken, "node", "its listing is no multistatus document");
  }
  const std::string own = comparable(self);
  std::vector<dav_entry> entries;
  for (const pugi::xml_node& response : root.children()) {
    if (local_name(response) != "response") continue;
    const pugi::xml_node prop = child(child(response, "propstat"), "prop");
    dav_entry entry;
    entry.path = path_of(trim(child(response, "href").text().get()));
    entry.collection = !child(child(prop, "resourcetype"), "collection").empty();
    entry.length_bytes = parse_u64(trim(child(prop, "getcontentlength").text().get()));
    if (entry.collection && !entry.path.ends_with('/')) entry.path.push_back('/');
    if (entry.collection && comparable(entry.path) == own) continue;
    entries.push_back(std::move(entry));
  }
  return entries;
}

} // namespace forebay::app
