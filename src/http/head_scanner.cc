#include "http/head_scanner.h"

namespace forebay::http {
namespace {

/// Empty lines that a sloppy client may leave behind its last body.
constexpr std::size_t empty_lines_allowed = 4;

constexpr bool is_control(char c) noexcept {
  const auto u = static_cast<unsigned char>(c);
  return (u < 0x20 && c != '\t') || u == 0x7f;
}

} // namespace

head_scanner::outcome head_scanner::scan(std::string_view head) {
  while (at_ < head.size()) {
    const char c = head[at_];
    if (after_cr_) {
      if (c != '\n') return refuse("a CR that is not followed by LF");
      after_cr_ = false;
      const outcome line = end_line();
      if (line != outcome::more) return line;
      continue;
    }
    if (c == '\r') {
      after_cr_ = true;
    } else if (c == '\n') {
      return refuse("a line that ends in LF alone");
    } else if (is_control(c)) {
      return refuse("a control character in the head");
    } else if (at_ == line_begin_ && (c == ' ' || c == '\t')) {
      return refuse(lines_ == 0 ? "white space before the request line" : "a folded field line");
    }
    ++at_;
  }
  return check_size();
}

/// At the LF that ends a line.
head_scanner::outcome head_scanner::end_line() {
  const bool empty = at_ - line_begin_ == 1; // the CR alone
  ++at_;
  if (lines_ == 0 && at_ - begin_ > limits_.request_line_bytes) return outcome::line_too_long;
  line_begin_ = at_;
  if (empty && lines_ > 0) {
    if (at_ - begin_ > limits_.head_bytes) return outcome::head_too_large;
    return outcome::complete;
  }
  if (empty) {
    if (++empty_lines_ > empty_lines_allowed) return refuse("empty lines instead of a request");
    begin_ = at_;
    return outcome::more;
  }
  if (++lines_ > limits_.fields + 1) return outcome::too_many_fields;
  return check_size();
}

/// What came first counts, so that the verdict does not depend on how the bytes were cut: a fault beyond a limit
/// was never reached by a reader that got them one by one.
head_scanner::outcome head_scanner::refuse(std::string_view why) noexcept {
  const outcome size = check_size();
  if (size != outcome::more) return size;
  complaint_ = why;
  return outcome::malformed;
}

head_scanner::outcome head_scanner::check_size() const noexcept {
  if (lines_ == 0 && at_ - begin_ > limits_.request_line_bytes) return outcome::line_too_long;
  if (at_ - begin_ > limits_.head_bytes) return lines_ == 0 ? outcome::line_too_long : outcome::head_too_large;
  return outcome::more;
}

} // namespace forebay::http
