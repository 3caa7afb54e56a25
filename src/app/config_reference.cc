// The reference page of settings, made from the table that loads them.
#include <fmt/format.h>

#include "app/config_values.h"

namespace forebay::app {
namespace {

constexpr std::string_view head = R"(# Configuration

One TOML file, given as `forebay serve --config FILE`; none is needed. This page is printed by
`forebay config reference` from the table that the program itself reads; a test compares them.

- The file is overridden by environment variables, and those by `--set key=value` on the command line. A
  variable's name is in the table; lists may be written with commas (`FOREBAY_OPEN_HTTPS_HOSTS=a.org,b.org`), and
  an array of tables is replaced whole by TOML (`FOREBAY_NAMESPACE='[{path="/x", origins=["https://x.org"]}]'`).
- `forebay config check FILE` lists every mistake with its line; `forebay config show` prints what is in force.
- Sizes: `4GiB`, `500MB`, `65536`. Durations: `250ms`, `30s`, `5m`, `1h`, `7d`.
- *Reload*: **live** settings change with SIGHUP; the others need a restart, and SIGHUP says so in the log.
- Secrets can lie in files of their own (`..._file`, one line each), and are never printed.
)";

constexpr std::string_view tail = R"(
## Example

```toml
[node]
name = "gcp-us-central1-a"
site = "gcp-us-central1"
coordinates = { lat = 41.26, lon = -95.86 }
memory = "4GiB"

[[namespace]]
path = "/era5"
origins = ["s3://era5-pds?region=us-east-1&anonymous=true", "https://mirror.example.org/era5"]
freshness = { ttl = "1h", immutable = ["**/*.zarr/**/[0-9]*"] }

[[namespace]]
path = "/"                       # the longest matching path wins
origins = ["http://127.0.0.1:8000/"]
write = true                     # unsafe methods pass through and invalidate
```
)";

/// A cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '|') safe.push_back('\\');
    safe.push_back(c);
  }
  return safe;
}

std::string default_of(const key_info& key) {
  config defaults;
  const group_info* const group = group_of(key.path);
  if (key.required) return "required";
  if (group != nullptr) {
    group->resize(defaults, 0);
    group->resize(defaults, 1);
  }
  const std::string value = format_value(key.at(defaults, 0), key, true);
  return value.empty() ? "unset" : fmt::format("`{}`", value);
}

std::string section_heading(std::string_view path) {
  const group_info* const group = find_group(path);
  if (group != nullptr) return fmt::format("\n## `[[{}]]`\n\n{}\n", path, group->help);
  return fmt::format("\n## `[{}]`\n", path);
}

} // namespace

std::string reference() {
  std::string text(head);
  std::string_view section;
  for (const key_info& key : keys()) {
    const group_info* const group = group_of(key.path);
    const std::string_view here = group != nullptr ? group->path : key.path.substr(0, key.path.find('.'));
    if (here != section) {
      section = here;
      text += section_heading(section);
      text += "\n| key | type | default | reload | what |\n| --- | --- | --- | --- | --- |\n";
    }
    std::string type(to_string(key.type));
    if (key.bounded()) type += ", " + format_bounds(key);
    const std::string variable = variable_of(key.path);
    text += fmt::format("| `{}` | {} | {} | {} | {}{} |\n", key.path.substr(section.size() + 1), type,
                        cell(default_of(key)), key.when == reload::live ? "live" : "restart", cell(key.help),
                        variable.empty() ? "" : fmt::format(" `{}`", variable));
  }
  return text + std::string(tail);
}

} // namespace forebay::app
