// What `config show` prints, and what differs between two configurations.
#include <fmt/format.h>

#include "app/config_values.h"
#include "app/progress.h"
#include "base/units.h"

namespace forebay::app {
namespace {

/// The path of the TOML table that a key is printed in: its group, or its first word.
std::string_view section_of(std::string_view path) {
  const group_info* const group = group_of(path);
  return group != nullptr ? group->path : path.substr(0, path.find('.'));
}

/// Where a value was written, or how this machine made it.
std::string remark_of(const config& effective, std::string_view path, const std::string& instance) {
  std::string remark;
  if (path == "node.memory") remark = human_size(effective.node.memory_bytes) + " here";
  if (const auto written = effective.places.find(instance); written != effective.places.end()) {
    if (!remark.empty()) remark += "; ";
    remark += written->second.to_string();
  }
  for (char& c : remark) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?'; // a comment ends with its line
  }
  return remark;
}

// Nothing is changed through the targets: formatting reads. They are not const because loading shares the table.
target target_of(const config& effective, const key_info& key, std::size_t index) {
  return key.at(const_cast<config&>(effective), index);
}

std::string show_key(const config& effective, const key_info& key, std::size_t index) {
  const std::string name(key.path.substr(section_of(key.path).size() + 1));
  const std::string value = format_value(target_of(effective, key, index), key, true);
  std::string line = value.empty() ? fmt::format("# {} is not set", name) : fmt::format("{} = {}", name, value);
  const std::string remark = remark_of(effective, key.path, instance_of(key.path, index));
  if (!remark.empty() && !value.empty()) line += "  # " + remark;
  return line + "\n";
}

std::string show_group(const config& effective, const group_info& group) {
  std::string text;
  const std::size_t count = group.size(effective);
  if (count == 0 && group.path == "node.disk") return "disk = []\n"; // read again it must not become the default
  if (count == 0) return fmt::format("\n# no [[{}]]\n", group.path);
  for (std::size_t index = 0; index < count; ++index) {
    text += fmt::format("\n[[{}]]\n", group.path);
    for (const key_info& key : keys()) {
      if (group_of(key.path) == &group) text += show_key(effective, key, index);
    }
  }
  return text;
}

/// All of a group or of one key in TOML; with secrets, to notice that one changed.
std::string plain_text(const config& from, const key_info& key, std::size_t index) {
  const target where = target_of(from, key, index);
  if (const auto* hidden = std::get_if<secret*>(&where)) return (*hidden)->value;
  return format_value(where, key, false);
}

std::string group_text(const config& from, const group_info& group) {
  std::string text;
  for (std::size_t index = 0; index < group.size(from); ++index) {
    for (const key_info& key : keys()) {
      if (group_of(key.path) != &group) continue;
      const std::string value = plain_text(from, key, index);
      text += fmt::format("{}:{}={}:{};", index, key.path, value.size(), value);
    }
  }
  return text;
}

/// The elements of a group by the first of their keys: "/era5", "/".
std::string group_names(const config& from, const group_info& group) {
  std::string text = "[";
  for (const key_info& key : keys()) {
    if (group_of(key.path) != &group) continue;
    for (std::size_t index = 0; index < group.size(from); ++index) {
      if (index > 0) text += ", ";
      text += format_value(target_of(from, key, index), key, true);
    }
    break;
  }
  return text + "]";
}

} // namespace

std::string show(const config& effective) {
  std::string text =
      "# The effective configuration of Forebay " FOREBAY_VERSION ". Behind a value: where it was written.\n";
  std::string_view section;
  for (const key_info& key : keys()) {
    const group_info* const group = group_of(key.path);
    const bool next = section_of(key.path) != section;
    section = section_of(key.path);
    if (group != nullptr) {
      if (next) text += show_group(effective, *group);
      continue;
    }
    if (next) text += fmt::format("\n[{}]\n", section);
    text += show_key(effective, key, 0);
  }
  return text;
}

std::vector<change> diff(const config& before, const config& after) {
  std::vector<change> changes;
  for (const group_info& group : groups()) {
    if (group_text(before, group) == group_text(after, group)) continue;
    changes.push_back({std::string(group.path), group_names(before, group), group_names(after, group),
                       group.when == reload::restart});
  }
  for (const key_info& key : keys()) {
    if (group_of(key.path) != nullptr || plain_text(before, key, 0) == plain_text(after, key, 0)) continue;
    const auto shown = [&key](const config& from) {
      const std::string value = format_value(target_of(from, key, 0), key, true);
      return value.empty() ? std::string("not set") : value;
    };
    changes.push_back({std::string(key.path), shown(before), shown(after), key.when == reload::restart});
  }
  return changes;
}

} // namespace forebay::app
