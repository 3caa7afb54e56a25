#include "app/progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace forebay::app {
namespace {

constexpr std::chrono::milliseconds redraw_interval{200}; // more is flicker
constexpr std::size_t bar_width = 24;
constexpr double mebibyte = 1024 * 1024;

} // namespace

progress_line::progress_line(bool wanted)
    : active_(wanted && ::isatty(STDERR_FILENO) == 1), started_(std::chrono::steady_clock::now()) {}

bool progress_line::due() {
  if (!active_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < redraw_interval) return false;
  last_ = now;
  return true;
}

void progress_line::show(std::uint64_t done_bytes, std::optional<std::uint64_t> total_bytes) {
  if (!active_) return;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started_;
  const double done = static_cast<double>(done_bytes) / mebibyte;
  std::string text = fmt::format("{:.1f} MiB, {:.1f} MiB/s", done, took.count() > 0 ? done / took.count() : 0.0);
  std::optional<double> share;
  if (total_bytes && *total_bytes > 0) share = static_cast<double>(done_bytes) / static_cast<double>(*total_bytes);
  show(text, share);
}

void progress_line::show(const std::string& text, std::optional<double> share) {
  if (!due()) return;
  const std::string bar = share ? fmt::format("{} {:3.0f} % ", render_bar(*share, bar_width), *share * 100) : "";
  std::fputs(fmt::format("\r\x1b[K{}{}", bar, text).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void progress_line::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

std::string human_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  constexpr double step = 1024;
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= step && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string human_span(std::uint64_t seconds) {
  constexpr std::uint64_t minute = 60, hour = 60 * minute, day = 24 * hour;
  if (seconds < minute) return fmt::format("{} s", seconds);
  if (seconds < hour) return fmt::format("{} min {} s", seconds / minute, seconds % minute);
  if (seconds < day) return fmt::format("{} h {} min", seconds / hour, seconds % hour / minute);
  return fmt::format("{} d {} h", seconds / day, seconds % day / hour);
}

std::string render_bar(double share, std::size_t width) {
  const auto filled = static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(width)));
  return "[" + std::string(filled, '#') + std::string(width - filled, ' ') + "]";
}

} // namespace forebay::app
