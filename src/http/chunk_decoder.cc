#include <algorithm>

#include "http/parser.h"
#include "http/syntax.h"

namespace forebay::http {
namespace {

/// Hexadecimal digits of a 64-bit size.
constexpr unsigned size_digits = 16;

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_control(char c) noexcept {
  const auto u = static_cast<unsigned char>(c);
  return (u < 0x20 && c != '\t') || u == 0x7f;
}

tl::unexpected<error> refuse(std::string why) {
  return fail(error_kind::invalid_input, "chunked body", std::move(why));
}

} // namespace

result<chunk_decoder::step> chunk_decoder::feed(std::span<const std::byte> bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && state_ != state::done) {
    if (state_ == state::data) {
      const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at));
      left_ -= length;
      if (left_ == 0) state_ = state::data_cr;
      return step{at + length, bytes.subspan(at, length), false};
    }
    if (auto taken = take(static_cast<char>(bytes[at])); !taken) return fail(std::move(taken.error()));
    ++at;
  }
  return step{at, {}, state_ == state::done};
}

/// One byte of what is not data.
result<void> chunk_decoder::take(char c) {
  switch (state_) {
  case state::size:
  case state::space: return take_size(c);
  case state::extension:
    if (++line_bytes_ > line_limit_bytes) return refuse("a chunk extension that is too long");
    if (c == '\r') {
      state_ = state::size_lf;
    } else if (is_control(c)) {
      return refuse("a control character in a chunk extension");
    }
    return {};
  case state::size_lf:
    if (c != '\n') return refuse("a chunk size that does not end in CR LF");
    state_ = left_ > 0 ? state::data : state::trailer_line;
    return {};
  case state::data_cr:
    if (c != '\r') return refuse("a chunk that is longer than its size says");
    state_ = state::data_lf;
    return {};
  case state::data_lf:
    if (c != '\n') return refuse("a chunk that does not end in CR LF");
    state_ = state::size;
    digits_ = 0;
    line_bytes_ = 0;
    return {};
  case state::trailer_line:
    if (++trailer_bytes_ > trailer_limit_bytes) return refuse("trailer fields that are too large");
    if (c == '\r') {
      state_ = state::trailer_lf;
      return {};
    }
    if (is_control(c) || line_.size() == line_limit_bytes) return refuse("a malformed trailer field");
    line_ += c;
    return {};
  case state::trailer_lf:
    if (c != '\n') return refuse("a trailer line that does not end in CR LF");
    return end_trailer_line();
  case state::data:
  case state::done: break;
  }
  return {};
}

/// Size digits, and white space that may stand between them and an extension only.
result<void> chunk_decoder::take_size(char c) {
  const int digit = hex_value(c);
  if (digit >= 0 && state_ == state::size) {
    if (++digits_ > size_digits) return refuse("a chunk size beyond 64 bits");
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return {};
  }
  if (digits_ == 0) return refuse("a chunk without a size");
  if (++line_bytes_ > line_limit_bytes) return refuse("a chunk size line that is too long");
  if (c == ';') {
    state_ = state::extension;
  } else if (c == ' ' || c == '\t') {
    state_ = state::space;
  } else if (c == '\r' && state_ == state::size) {
    state_ = state::size_lf;
  } else {
    return refuse("a chunk size with something else behind it");
  }
  return {};
}

result<void> chunk_decoder::end_trailer_line() {
  if (line_.empty()) {
    state_ = state::done;
    return {};
  }
  const std::string_view line = line_;
  const std::size_t colon = line.find(':');
  // Folded lines fail here as well: they begin with white space, which no name does.
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return refuse("a malformed trailer field");
  if (trailers_.size() == trailer_limit_fields) return refuse("too many trailer fields");
  trailers_.add(line.substr(0, colon), line.substr(colon + 1));
  line_.clear();
  state_ = state::trailer_line;
  return {};
}

} // namespace forebay::http
