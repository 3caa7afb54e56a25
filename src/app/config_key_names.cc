#include <algorithm>
#include <fmt/format.h>

#include "app/config_keys.h"

// Names made of keys: of one element, of an environment variable; and those that are not to be used yet.
namespace forebay::app {

namespace {

std::string_view section(std::string_view path) { return path.substr(0, path.find('.')); }

} // namespace

std::vector<key_info> with_keys(std::vector<key_info> all, std::span<const key_info> more) {
  for (const key_info& one : more) {
    const auto last = std::find_if(all.rbegin(), all.rend(),
                                   [&](const key_info& other) { return section(other.path) == section(one.path); });
    all.insert(last.base() == all.begin() ? all.end() : last.base(), one);
  }
  return all;
}

std::string instance_of(std::string_view path, std::size_t index) {
  const group_info* const group = find_group(path) != nullptr ? find_group(path) : group_of(path);
  if (group == nullptr) return std::string(path);
  return fmt::format("{}[{}]{}", group->path, index, path.substr(group->path.size()));
}

std::string item_of(std::string_view instance, std::size_t item) { return fmt::format("{}[{}]", instance, item); }

std::string variable_of(std::string_view path) {
  if (group_of(path) != nullptr) return {};
  std::string name = "FOREBAY_";
  for (const char c : path)
    name.push_back(c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
  return name;
}

std::string_view reserved_key(std::string_view path) noexcept {
  if (path == "director" || path == "catalogue" || path == "compute")
    return "no such section yet: it is not in this version";
  return {};
}

} // namespace forebay::app
