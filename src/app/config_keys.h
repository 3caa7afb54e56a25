// The table of settings: the one place that knows every key. Loading, the environment, flags, `config check`,
// `config show`, reload and the reference page all read it. For config*.cc alone.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/config.h"

namespace forebay::app {

/// What a value means, and so how it is read, checked and written.
enum class value_type {
  boolean,
  count,    ///< a whole number
  number,   ///< any number
  size,     ///< "4GiB"
  share,    ///< a size, or a percentage of the machine's memory
  duration, ///< "30s"
  name,     ///< a word for metrics and headers
  secret,   ///< never shown
  text,
  file,       ///< a path
  access_log, ///< "off", "stderr" or a path
  level,      ///< of the log
  address,    ///< where to listen
  space_path, ///< of a namespace
  proxy_url,
  roles, ///< lists from here on
  origins,
  numbers,
  patterns, ///< globs over keys
  hosts,    ///< names, "*.names", "*"
  stores,   ///< bucket or account names, "*"
  networks, ///< "10.0.0.0/8"
  texts,
};
std::string_view to_string(value_type type) noexcept;
bool is_list(value_type type) noexcept;

/// Where a value lives. The alternatives are the types that the structs of all layers use.
using target =
    std::variant<bool*, unsigned*, std::uint64_t*, double*, std::optional<double>*, std::string*, secret*, log::level*,
                 std::chrono::milliseconds*, std::chrono::seconds*, std::optional<std::chrono::seconds>*,
                 std::vector<std::string>*, std::vector<double>*, std::vector<net::ip_network>*>;

/// Whether SIGHUP brings a change into force.
enum class reload { live, restart };

struct key_info {
  std::string_view path; ///< "namespace.freshness.ttl"
  value_type type;
  reload when;
  std::string_view help;                    ///< one line for the reference
  target (*at)(config&, std::size_t index); ///< `index`: of the element, where the key belongs to a group
  double least = 0, most = 0;               ///< of count, number, size (bytes) and duration (ms); equal: no bounds
  bool required = false;                    ///< in each element of its group
  bool bounded() const noexcept { return least != most; }
};

/// An array of tables, `[[path]]`.
struct group_info {
  std::string_view path;
  std::string_view help;
  reload when;
  std::size_t (*size)(const config&);
  void (*resize)(config&, std::size_t count);
};

std::span<const key_info> keys() noexcept;
/// `all` with `more` among it, each behind the others of its section.
std::vector<key_info> with_keys(std::vector<key_info> all, std::span<const key_info> more);
std::span<const key_info> origin_keys() noexcept;
std::span<const group_info> groups() noexcept;
/// The group that a key belongs to, or null.
const group_info* group_of(std::string_view path) noexcept;
const key_info* find_key(std::string_view path) noexcept;
const group_info* find_group(std::string_view path) noexcept;

/// "namespace.path" of element 2: "namespace[2].path"; keys without a group stay as they are.
std::string instance_of(std::string_view path, std::size_t index);
/// The element of a list: "namespace[2].origins[1]".
std::string item_of(std::string_view instance, std::size_t item);

/// "FOREBAY_NODE_MEMORY" of "node.memory"; empty for keys within a group.
std::string variable_of(std::string_view path);

/// Names that the design has given away to later versions: the sentence for who uses one, or empty.
std::string_view reserved_key(std::string_view path) noexcept;

} // namespace forebay::app
