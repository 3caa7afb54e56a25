// The lines of a message head, checked before any grammar is applied to them.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace forebay::http {

/// Finds the end of a request's head in bytes that come piece by piece, and refuses on the way what a lenient
/// reader downstream could take for another line: a bare CR or LF, obs-fold, NUL and other control characters
/// (RFC 9112 §2.2, §5.2; RFC 9110 §5.5). A few empty lines before the request line are skipped (RFC 9112 §2.2).
/// One per parser; it looks at each byte once.
class head_scanner {
public:
  struct limits {
    std::size_t request_line_bytes;
    std::size_t head_bytes;
    std::size_t fields;
  };
  enum class outcome { more, complete, malformed, line_too_long, head_too_large, too_many_fields };

  explicit head_scanner(limits with) : limits_(with) {}

  /// `head` is all that came so far; what was scanned before is not looked at again. After `complete`, the
  /// head is [begin, end) of it.
  outcome scan(std::string_view head);
  std::size_t begin() const noexcept { return begin_; }
  std::size_t end() const noexcept { return at_; }
  /// What was wrong, for a person.
  std::string_view complaint() const noexcept { return complaint_; }
  void reset() noexcept { *this = head_scanner(limits_); }

private:
  outcome end_line();
  outcome check_size() const noexcept;
  outcome refuse(std::string_view why) noexcept;

  limits limits_;
  std::size_t begin_ = 0, at_ = 0, line_begin_ = 0;
  std::size_t lines_ = 0, empty_lines_ = 0;
  bool after_cr_ = false;
  std::string_view complaint_;
};

} // namespace forebay::http
