// Segments of keys that would lead out of a prefix. Pure.
#pragma once

#include <string_view>

namespace forebay {

/// True where "." or ".." stands between slashes (or an end) of the decoded `key`, or a NUL anywhere: servers and file
/// systems read these as ways up, or as the end of the name. A backslash counts as a slash, as IIS takes it, and what
/// follows a semicolon does not count, as Tomcat (under THREDDS, for one) cuts it off before it looks: "..;/".
inline bool leads_astray(std::string_view key) noexcept {
  if (key.find('\0') != std::string_view::npos) return true;
  for (;;) {
    std::size_t slash = 0;
    while (slash < key.size() && key[slash] != '/' && key[slash] != '\\') ++slash;
    const std::string_view whole = key.substr(0, slash), segment = whole.substr(0, whole.find(';'));
    if (segment == "." || segment == "..") return true;
    if (slash == key.size()) return false;
    key.remove_prefix(slash + 1);
  }
}

} // namespace forebay
