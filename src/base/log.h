// The node's log: one line an event, to standard error (journald keeps it), level by configuration.
#pragma once

#include <fmt/format.h>
#include <string_view>

namespace forebay::log {

enum class level { debug, info, warn, error };

/// Sets the least level that is written. Thread-safe.
void set_level(level least) noexcept;
bool enabled(level at) noexcept;
/// Writes one line. `topic` is the part of the program ("cache", "origin"). Never pass a secret.
void write(level at, std::string_view topic, std::string_view line);

template <class... Args>
void debug(std::string_view topic, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level::debug)) write(level::debug, topic, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view topic, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level::info)) write(level::info, topic, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(std::string_view topic, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level::warn)) write(level::warn, topic, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(std::string_view topic, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level::error)) write(level::error, topic, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace forebay::log
