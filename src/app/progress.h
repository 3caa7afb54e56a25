// One line on a terminal that says how far something is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::app {

/// Rewrites one line of standard error, a few times a second, where that is a terminal; silent otherwise.
class progress_line {
public:
  /// `wanted` false: silent.
  explicit progress_line(bool wanted);
  ~progress_line() { clear(); }
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// Bytes done, and of how many.
  void show(std::uint64_t done_bytes, std::optional<std::uint64_t> total_bytes);
  /// Any text; with a bar where `share` (0 to 1) is known.
  void show(const std::string& text, std::optional<double> share);
  void clear();

private:
  bool due();
  bool active_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point started_, last_;
};

/// "[#########           ]".
std::string render_bar(double share, std::size_t width);

/// "1.5 GiB": for people, rounded.
std::string human_size(std::uint64_t bytes);
/// "1 object", "2 objects".
std::string counted(std::uint64_t count, std::string_view noun);
/// "33 s", "5 min 3 s", "2 h 5 min", "3 d 4 h".
std::string human_span(std::uint64_t seconds);

} // namespace forebay::app
