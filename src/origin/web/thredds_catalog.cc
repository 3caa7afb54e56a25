#include "origin/web/thredds_catalog.h"

#include <pugixml.hpp>

#include "base/text.h"
#include "origin/iso_time.h"

namespace forebay::origin::web {
namespace {

constexpr std::string_view service = "/fileServer/", catalogue = "/catalog/";
/// Data sets lie in collections that lie in the catalogue: deeper ones are not read.
constexpr int depth_max = 8;

std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  return name.substr(name.rfind(':') + 1); // npos + 1 is 0
}

std::string_view attribute(const pugi::xml_node& node, std::string_view name) {
  for (const pugi::xml_attribute& each : node.attributes()) {
    const std::string_view full = each.name();
    if (full.substr(full.rfind(':') + 1) == name) return each.value();
  }
  return {};
}

bool is_name(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && text.find('/') == std::string_view::npos;
}

list_entry read_dataset(const pugi::xml_node& node, std::string_view path) {
  list_entry made;
  made.key = std::string(path.substr(path.rfind('/') + 1));
  for (const pugi::xml_node& each : node.children()) {
    if (local_name(each) == "dataSize" && attribute(each, "units") == "bytes") {
      made.length_bytes = parse_u64(each.text().get()); // "1.2 Mbytes" is not exact
    }
    if (local_name(each) == "date" && attribute(each, "type") == "modified") {
      made.modified = parse_iso_time(each.text().get());
    }
  }
  return made;
}

void read_children(const pugi::xml_node& parent, int depth, std::vector<list_entry>& into) {
  for (const pugi::xml_node& each : parent.children()) {
    if (local_name(each) == "dataset") {
      const std::string_view path = attribute(each, "urlPath");
      list_entry found = read_dataset(each, path);
      if (!path.empty() && is_name(found.key)) into.push_back(std::move(found));
      if (depth < depth_max) read_children(each, depth + 1, into);
    } else if (local_name(each) == "catalogRef") {
      const std::string_view href = attribute(each, "href");
      const auto name = percent_decode(href.substr(0, std::min(href.find('/'), href.size())));
      const bool below = href.find('/') != std::string_view::npos && href.find('/') + 1 == href.find("catalog.xml");
      if (!below || !name || !is_name(*name)) continue;
      list_entry found;
      found.key = *name + "/";
      found.directory = true;
      into.push_back(std::move(found));
    }
  }
}

} // namespace

std::optional<std::string> thredds_catalog_url(std::string_view directory) {
  const std::size_t at = directory.find(service);
  if (at == std::string_view::npos) return std::nullopt;
  return std::string(directory.substr(0, at)) + std::string(catalogue) +
         std::string(directory.substr(at + service.size())) + "catalog.xml";
}

std::optional<std::vector<list_entry>> parse_thredds_catalog(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default)) return std::nullopt;
  const pugi::xml_node root = document.document_element();
  if (local_name(root) != "catalog") return std::nullopt;
  std::vector<list_entry> found;
  read_children(root, 0, found);
  return found;
}

} // namespace forebay::origin::web
