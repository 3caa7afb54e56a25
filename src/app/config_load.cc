#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <system_error>
#include <unistd.h>

#include "app/config_access.h"
#include "app/config_check.h"
#include "app/config_values.h"
#include "base/text.h"
#include "base/units.h"

namespace forebay::app {
namespace {

/// tenant_id has 16 bits, and a node with more namespaces has another problem.
constexpr std::size_t elements_max = 10'000;

std::string join_path(std::string_view prefix, std::string_view key) {
  return prefix.empty() ? std::string(key) : fmt::format("{}.{}", prefix, key);
}

bool is_section(std::string_view path) {
  const std::string dotted = std::string(path) + ".";
  const auto below = [&dotted](const auto& one) { return one.path.starts_with(dotted); };
  return std::any_of(keys().begin(), keys().end(), below) || std::any_of(groups().begin(), groups().end(), below);
}

/// What may stand directly below `prefix`.
std::vector<std::string_view> children_of(std::string_view prefix) {
  std::vector<std::string_view> words;
  for (const key_info& key : keys()) {
    std::string_view rest = key.path;
    if (!prefix.empty()) {
      if (!rest.starts_with(prefix) || rest.size() <= prefix.size() || rest[prefix.size()] != '.') continue;
      rest.remove_prefix(prefix.size() + 1);
    }
    const std::string_view word = rest.substr(0, rest.find('.'));
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  return words;
}

/// Advice for an unknown key: a near sibling, else the same or a near last word elsewhere.
std::string advice_for(std::string_view prefix, std::string_view word) {
  const auto siblings = children_of(prefix);
  if (const auto near = nearest_word(word, siblings); !near.empty()) {
    return fmt::format("a known key; did you mean \"{}\"?", join_path(prefix, near));
  }
  std::vector<std::string_view> last_words;
  for (const key_info& key : keys()) last_words.push_back(key.path.substr(key.path.rfind('.') + 1));
  const auto near = nearest_word(word, last_words);
  for (const key_info& key : keys()) {
    if (!near.empty() && key.path.substr(key.path.rfind('.') + 1) == near) {
      return fmt::format("a known key; did you mean \"{}\"?", key.path);
    }
  }
  return fmt::format("one of {}", fmt::join(siblings, ", "));
}

/// Fills a configuration from raw values, and remembers every mistake.
class loader {
public:
  void read_document(const raw_value& document) { walk(std::get<raw_value::table>(document.data), "", nullptr, 0); }

  void read_override(std::string_view path, std::string_view text, const std::string& source) {
    auto parsed = parse_override(text, source, std::string(path));
    if (!parsed) return add(std::move(parsed.error()));
    if (const group_info* group = find_group(path)) return read_group(*group, *parsed);
    const key_info* const key = find_key(path);
    if (key == nullptr || group_of(path) != nullptr) {
      return add({{source}, std::string(path), "an unknown key", override_advice(path)});
    }
    put(*key, 0, *parsed);
  }

  void read_environment(const std::vector<std::pair<std::string, std::string>>& environment);
  void read_sets(const std::vector<std::string>& sets);

  void add(mistake one) { add_mistake(mistakes, std::move(one)); }

  config made;
  std::vector<mistake> mistakes;

private:
  static std::string override_advice(std::string_view path) {
    if (const group_info* group = group_of(path)) {
      return fmt::format("the whole list: {}=[{{...}}]", group->path);
    }
    const std::size_t dot = path.rfind('.');
    const std::string_view prefix = dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
    if (!prefix.empty() && !is_section(prefix)) return advice_for("", path.substr(0, path.find('.')));
    return advice_for(prefix, path.substr(dot == std::string_view::npos ? 0 : dot + 1));
  }

  void put(const key_info& key, std::size_t index, const raw_value& value) {
    const std::string instance = instance_of(key.path, index);
    made.places[instance] = value.at; // also of a wrong one: that it was written is known
    const auto* const items = std::get_if<raw_value::list>(&value.data); // absent too where a bare text is the list
    for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
      made.places[item_of(instance, i)] = (*items)[i].at;
    }
    for (problem& wrong : assign(key.at(made, index), key, value)) {
      const place& at = wrong.item && items != nullptr ? (*items)[*wrong.item].at : value.at;
      add({at, wrong.item ? item_of(instance, *wrong.item) : instance, std::move(wrong.found),
           std::move(wrong.expected)});
    }
  }

  void walk(const raw_value::table& entries, const std::string& prefix, const group_info* inside, std::size_t index);
  void read_group(const group_info& group, const raw_value& value);
};

void loader::walk(const raw_value::table& entries, const std::string& prefix, const group_info* inside,
                  std::size_t index) {
  for (const raw_entry& entry : entries) {
    const std::string path = join_path(prefix, entry.key);
    const std::string shown = inside != nullptr ? instance_of(path, index) : path;
    if (const group_info* group = find_group(path)) {
      read_group(*group, entry.value);
    } else if (const key_info* key = find_key(path)) {
      put(*key, index, entry.value);
    } else if (const std::string_view reserved = reserved_key(path); !reserved.empty()) {
      add({entry.at, shown, "a reserved key", std::string(reserved)});
    } else if (!is_section(path)) {
      add({entry.at, to_valid_utf8(shown), "an unknown key", advice_for(prefix, entry.key)});
    } else if (const auto* table = std::get_if<raw_value::table>(&entry.value.data)) {
      made.places[shown] = entry.value.at; // an empty one is written, too
      walk(*table, path, inside, index);
    } else {
      add({entry.value.at, shown, entry.value.describe(), "a table"});
    }
  }
}

void loader::read_group(const group_info& group, const raw_value& value) {
  const auto* items = std::get_if<raw_value::list>(&value.data);
  const bool tables = items != nullptr && std::all_of(items->begin(), items->end(), [](const raw_value& item) {
                        return std::holds_alternative<raw_value::table>(item.data);
                      });
  if (!tables) {
    const bool single = std::holds_alternative<raw_value::table>(value.data);
    return add({value.at, std::string(group.path), single ? "a single table" : value.describe(),
                fmt::format("an array of tables: write [[{}]]", group.path)});
  }
  if (items->size() > elements_max) {
    return add({value.at, std::string(group.path), fmt::format("{} entries", items->size()),
                fmt::format("at most {}", elements_max)});
  }
  // What was there is replaced whole: the defaults by the file, the file's by a variable or flag.
  std::erase_if(made.places,
                [&group](const auto& one) { return one.first.starts_with(std::string(group.path) + "["); });
  made.places[std::string(group.path)] = value.at; // that an empty one was written counts too
  group.resize(made, 0);
  group.resize(made, items->size());
  for (std::size_t index = 0; index < items->size(); ++index) {
    const raw_value& item = (*items)[index];
    const std::string instance = instance_of(group.path, index);
    made.places[instance] = item.at;
    walk(std::get<raw_value::table>(item.data), std::string(group.path), &group, index);
    for (const key_info& key : keys()) {
      if (!key.required || group_of(key.path) != &group || made.places.contains(instance_of(key.path, index))) continue;
      add({item.at, instance, fmt::format("no \"{}\"", key.path.substr(group.path.size() + 1)),
           fmt::format("one, of type {}", to_string(key.type))});
    }
  }
}

void loader::read_environment(const std::vector<std::pair<std::string, std::string>>& environment) {
  std::vector<std::pair<std::string, std::string_view>> known; // variable, path
  for (const key_info& key : keys()) {
    if (group_of(key.path) == nullptr) known.emplace_back(variable_of(key.path), key.path);
  }
  for (const group_info& group : groups()) known.emplace_back(variable_of(group.path), group.path);
  for (const auto& [name, text] : environment) {
    const auto exact =
        std::find_if(known.begin(), known.end(), [&name = name](const auto& one) { return one.first == name; });
    if (exact != known.end()) {
      read_override(exact->second, text, name);
      continue;
    }
    // Others than ours use the prefix too (FOREBAY_URL; Kubernetes' FOREBAY_SERVICE_HOST for a service named
    // "forebay"). Only a name within one of our sections is surely meant for us.
    const std::size_t section_end = name.find('_', sizeof "FOREBAY_" - 1);
    if (!name.starts_with("FOREBAY_") || section_end == std::string::npos) continue;
    const std::string section = name.substr(0, section_end + 1);
    std::vector<std::string_view> candidates;
    for (const auto& one : known) {
      if (one.first.starts_with(section)) candidates.push_back(one.first);
    }
    if (candidates.empty()) continue;
    const auto near = nearest_word(name, candidates);
    add({{name},
         "",
         "a variable that names no setting",
         near.empty() ? "a name from the reference of settings" : fmt::format("perhaps {}", near)});
  }
}

void loader::read_sets(const std::vector<std::string>& sets) {
  for (const std::string& one : sets) {
    const std::size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0) {
      add({{"--set"}, "", toml_string(one.substr(0, 80)), "key=value, such as node.memory=4GiB"});
      continue;
    }
    const std::string path = to_valid_utf8(trim(std::string_view(one).substr(0, equals)));
    read_override(path, trim(std::string_view(one).substr(equals + 1)), "--set");
  }
}

/// Half of what is free, so that the tier is never what fills somebody's home.
void resolve_disk(config& made, const machine_resources& machine) {
  constexpr std::uint64_t least = 1ull << 30, most = 50ull << 30; // least: as the key's
  if (made.places.contains("node.disk") || machine.cache_directory.empty()) return;
  const std::uint64_t size_bytes = std::min(most, machine.cache_room_bytes / 2);
  if (size_bytes >= least) made.node.disks.push_back({machine.cache_directory, size_bytes, 0, true});
}

/// Values that depend on the machine or follow from others.
void resolve(config& made, const machine_resources& machine) {
  constexpr std::uint64_t unknown_machine_bytes = 1ull << 30; // no /proc: assume little
  const std::uint64_t ram = machine.memory_bytes != 0 ? machine.memory_bytes : unknown_machine_bytes;
  if (const auto percent = parse_percentage(made.node.memory)) {
    constexpr std::uint64_t least = 16ull << 20; // as the key's least size
    made.node.memory_bytes = std::max(least, ram / 100 * *percent + ram % 100 * *percent / 100);
  } else if (const auto bytes = parse_size_bytes(made.node.memory)) {
    made.node.memory_bytes = *bytes;
  }
  resolve_disk(made, machine);
  if (made.node.threads == 0) made.node.threads = std::max(1u, machine.cores);
  if (made.node.name.empty()) made.node.name = machine.host_name.empty() ? "forebay" : machine.host_name;
  // Defaults that a small machine cannot hold give way; what somebody wrote is checked instead.
  const auto shrink = [&made](std::string_view key, std::uint64_t& bytes) {
    if (!made.places.contains(key)) bytes = std::min(bytes, made.node.memory_bytes / 4);
  };
  shrink("limits.fill_window", made.limits.cache.fill_window_bytes);
  shrink("limits.listing_bytes", made.limits.cache.listing_bytes);
  shrink("limits.pinned_bytes_per_client", made.limits.cache.pinned_bytes_per_client);
  made.limits.client.connections_per_origin = made.limits.origin.connections;
  made.limits.access.waiters = made.limits.cache.waiters_per_object;
  made.limits.origin.read_timeout = made.limits.cache.read_timeout;
}

} // namespace

load_result<config> load(const load_input& input) {
  loader work;
  if (!input.file_name.empty() || !input.file_text.empty()) {
    auto document = parse_document(input.file_text, input.file_name);
    if (!document) {
      work.add(std::move(document.error()));
    } else {
      work.read_document(*document);
    }
  }
  work.read_environment(input.environment);
  work.read_sets(input.sets);
  resolve(work.made, input.machine);
  resolve_access(work.made);
  read_secrets(work.made, input.touch_files, work.mistakes);
  check(work.made, input.touch_files, work.mistakes);
  if (work.mistakes.empty()) return std::move(work.made);
  std::stable_sort(work.mistakes.begin(), work.mistakes.end(), [](const mistake& a, const mistake& b) {
    // The file first, in its order; then what came over it.
    const bool a_file = a.at.line != 0, b_file = b.at.line != 0;
    if (a_file != b_file) return a_file;
    return a.at.line != b.at.line ? a.at.line < b.at.line : a.at.column < b.at.column;
  });
  return tl::unexpected(std::move(work.mistakes));
}

namespace {

/// A whole file (or what comes before `document_bytes_max` is passed: parsing refuses that).
tl::expected<std::string, mistake> read_text(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(document_bytes_max + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    const std::string why = std::system_category().message(errno != 0 ? errno : EIO);
    return tl::unexpected(mistake{{path}, "", "a file that cannot be read (" + why + ")", "a readable TOML file"});
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

} // namespace

load_result<config> load_file(const std::string& path, const std::vector<std::string>& sets,
                              environment_use environment) {
  load_input input;
  input.sets = sets;
  input.machine = read_machine();
  find_cache_directory(input.machine, [](const char* name) -> const char* { return std::getenv(name); });
  const bool apply = environment == environment_use::apply;
  for (char** one = environ; apply && one != nullptr && *one != nullptr; ++one) {
    const std::string_view text(*one);
    const std::size_t equals = text.find('=');
    if (text.starts_with("FOREBAY_") && equals != std::string_view::npos) {
      input.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  if (!path.empty()) {
    input.file_name = path;
    auto text = read_text(path);
    if (!text) return tl::unexpected(std::vector<mistake>{std::move(text.error())});
    input.file_text = std::move(*text);
  }
  return load(input);
}

} // namespace forebay::app
