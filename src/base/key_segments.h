// Segments of keys that would lead out of a prefix. Pure.
#pragma once

#include <string_view>

namespace forebay {

/// True where "." or ".." stands between slashes (or an end) of the decoded `key`, or a NUL anywhere: servers and file
/// systems read these as ways up, or as the end of the name.
inline bool leads_astray(std::string_view key) noexcept {
  if (key.find('\0') != std::string_view::npos) return true;
  for (;;) {
    const std::size_t slash = key.find('/');
    const std::string_view segment = key.substr(0, slash);
    if (segment == "." || segment == "..") return true;
    if (slash == std::string_view::npos) return false;
    key.remove_prefix(slash + 1);
  }
}

} // namespace forebay
