#include "base/log.h"

#include <atomic>
#include <memory>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <string>

namespace forebay::log {
namespace {

std::atomic<level> least_level{level::info};

spdlog::level::level_enum to_spdlog(level at) noexcept {
  switch (at) {
  case level::debug: return spdlog::level::debug;
  case level::info: return spdlog::level::info;
  case level::warn: return spdlog::level::warn;
  case level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::logger& stderr_logger() {
  // Never destroyed: threads that outlive main's locals may still have something to say.
  static spdlog::logger* const logger = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc));
    auto* made = new spdlog::logger("forebay", std::move(sink));
    made->set_level(spdlog::level::trace); // the level is decided in enabled(), before the text is made
    return made;
  }();
  return *logger;
}

/// Text of foreign origin (paths, header values) must not forge lines or move a terminal's cursor.
std::string one_line(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      safe += "\\n";
    } else if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      safe += fmt::format("\\x{:02x}", byte);
    } else {
      safe.push_back(c);
    }
  }
  return safe;
}

} // namespace

void set_level(level least) noexcept { least_level.store(least, std::memory_order_relaxed); }

bool enabled(level at) noexcept { return at >= least_level.load(std::memory_order_relaxed); }

void write(level at, std::string_view topic, std::string_view line) {
  if (!enabled(at)) return;
  const std::string text = one_line(line);
  stderr_logger().log(to_spdlog(at), "{}: {}", topic, text);
}

} // namespace forebay::log
