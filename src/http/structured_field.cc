#include "http/structured_field.h"

#include <algorithm>
#include <cstdlib>

#include "base/base64.h"
#include "base/text.h"
#include "http/syntax.h"

namespace forebay::http::structured {
namespace {

constexpr std::size_t integer_digits = 15, decimal_digits = 12, fraction_digits = 3;
/// RFC 9651 §3.1, §3.2 ask for at least 1024 members and 256 items; what is beyond is no field that we know.
constexpr std::size_t members_limit = 1024, items_limit = 256;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
bool is_alpha(char c) noexcept { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

/// Reads from left to right; after the first thing that does not fit every step fails.
class reader {
public:
  explicit reader(std::string_view text) : rest_(text) {}

  std::optional<dictionary> take_dictionary();

private:
  bool at(char c) const noexcept { return !rest_.empty() && rest_.front() == c; }
  bool take(char c) noexcept {
    if (!at(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip(std::string_view any_of) noexcept {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(any_of), rest_.size()));
  }
  std::optional<std::string> take_key();
  std::optional<std::variant<item, inner_list>> take_member_value();
  std::optional<item> take_item();
  std::optional<inner_list> take_inner_list();
  std::optional<parameters> take_parameters();
  std::optional<bare_item> take_bare_item();
  std::optional<bare_item> take_number();
  std::optional<std::string> take_string();
  std::optional<bare_item> take_bytes();
  std::optional<bare_item> take_display_string();
  std::optional<bare_item> take_date();

  std::string_view rest_;
};

template <class T>
void put(std::vector<std::pair<std::string, T>>& into, std::string key, T value) {
  const auto known = std::find_if(into.begin(), into.end(), [&](const auto& each) { return each.first == key; });
  if (known != into.end()) {
    known->second = std::move(value);
  } else {
    into.emplace_back(std::move(key), std::move(value));
  }
}

std::optional<dictionary> reader::take_dictionary() {
  std::vector<std::pair<std::string, std::variant<item, inner_list>>> found;
  skip(" ");
  while (!rest_.empty()) {
    auto key = take_key();
    if (!key || found.size() >= members_limit) return std::nullopt;
    auto value = take_member_value();
    if (!value) return std::nullopt;
    put(found, std::move(*key), std::move(*value));
    skip(" \t");
    if (rest_.empty()) break;
    if (!take(',')) return std::nullopt;
    skip(" \t");
    if (rest_.empty()) return std::nullopt; // a comma at the end
  }
  dictionary made;
  for (auto& [key, value] : found) made.push_back({std::move(key), std::move(value)});
  return made;
}

std::optional<std::string> reader::take_key() {
  if (rest_.empty() || !(is_lower(rest_.front()) || rest_.front() == '*')) return std::nullopt;
  std::size_t length = 1;
  while (length < rest_.size() && (is_lower(rest_[length]) || is_digit(rest_[length]) ||
                                   std::string_view("_-.*").find(rest_[length]) != std::string_view::npos))
    ++length;
  std::string key(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return key;
}

std::optional<std::variant<item, inner_list>> reader::take_member_value() {
  if (!take('=')) {
    auto with = take_parameters();
    if (!with) return std::nullopt;
    return item{true, std::move(*with)};
  }
  if (at('(')) {
    auto list = take_inner_list();
    if (!list) return std::nullopt;
    return std::move(*list);
  }
  auto one = take_item();
  if (!one) return std::nullopt;
  return std::move(*one);
}

std::optional<item> reader::take_item() {
  auto value = take_bare_item();
  if (!value) return std::nullopt;
  auto with = take_parameters();
  if (!with) return std::nullopt;
  return item{std::move(*value), std::move(*with)};
}

std::optional<inner_list> reader::take_inner_list() {
  inner_list list;
  if (!take('(')) return std::nullopt;
  for (;;) {
    skip(" ");
    if (take(')')) break;
    auto one = take_item();
    if (!one || list.items.size() >= items_limit || !(at(' ') || at(')'))) return std::nullopt;
    list.items.push_back(std::move(*one));
  }
  auto with = take_parameters();
  if (!with) return std::nullopt;
  list.with = std::move(*with);
  return list;
}

std::optional<parameters> reader::take_parameters() {
  parameters with;
  while (take(';')) {
    skip(" ");
    auto key = take_key();
    if (!key || with.size() >= items_limit) return std::nullopt;
    bare_item value = true;
    if (take('=')) {
      auto given = take_bare_item();
      if (!given) return std::nullopt;
      value = std::move(*given);
    }
    put(with, std::move(*key), std::move(value));
  }
  return with;
}

std::optional<bare_item> reader::take_bare_item() {
  if (rest_.empty()) return std::nullopt;
  const char first = rest_.front();
  if (first == '-' || is_digit(first)) return take_number();
  if (first == '"') {
    auto text = take_string();
    if (!text) return std::nullopt;
    return bare_item(std::move(*text));
  }
  if (first == ':') return take_bytes();
  if (first == '@') return take_date();
  if (first == '%') return take_display_string();
  if (take('?')) {
    if (take('1')) return bare_item(true);
    if (take('0')) return bare_item(false);
    return std::nullopt;
  }
  if (!is_alpha(first) && first != '*') return std::nullopt;
  std::size_t length = 1;
  while (length < rest_.size() && (is_token_character(rest_[length]) || rest_[length] == ':' || rest_[length] == '/'))
    ++length;
  token word{std::string(rest_.substr(0, length))};
  rest_.remove_prefix(length);
  return bare_item(std::move(word));
}

std::optional<bare_item> reader::take_number() {
  const bool negative = take('-');
  std::size_t digits = 0;
  while (digits < rest_.size() && is_digit(rest_[digits])) ++digits;
  if (digits == 0) return std::nullopt;
  const bool decimal = digits < rest_.size() && rest_[digits] == '.';
  if (!decimal) {
    if (digits > integer_digits) return std::nullopt;
    const auto value = static_cast<std::int64_t>(*parse_u64(rest_.substr(0, digits)));
    rest_.remove_prefix(digits);
    return bare_item(negative ? -value : value);
  }
  std::size_t fraction = 0;
  while (digits + 1 + fraction < rest_.size() && is_digit(rest_[digits + 1 + fraction])) ++fraction;
  if (digits > decimal_digits || fraction == 0 || fraction > fraction_digits) return std::nullopt;
  const std::size_t length = digits + 1 + fraction;
  const double value = std::strtod(std::string(rest_.substr(0, length)).c_str(), nullptr);
  rest_.remove_prefix(length);
  return bare_item(negative ? -value : value);
}

std::optional<std::string> reader::take_string() {
  std::string text;
  for (std::size_t i = 1; i < rest_.size(); ++i) {
    char c = rest_[i];
    if (c == '"') {
      rest_.remove_prefix(i + 1);
      return text;
    }
    if (c == '\\') {
      if (++i == rest_.size() || (rest_[i] != '"' && rest_[i] != '\\')) return std::nullopt;
      c = rest_[i];
    }
    if (c < 0x20 || c > 0x7e) return std::nullopt;
    text += c;
  }
  return std::nullopt;
}

std::optional<bare_item> reader::take_bytes() {
  const std::size_t end = rest_.find(':', 1);
  if (end == std::string_view::npos) return std::nullopt;
  auto decoded = base64_decode(rest_.substr(1, end - 1));
  if (!decoded) return std::nullopt;
  rest_.remove_prefix(end + 1);
  return bare_item(bytes{std::move(*decoded)});
}

std::optional<bare_item> reader::take_date() {
  rest_.remove_prefix(1);
  if (rest_.empty() || !(rest_.front() == '-' || is_digit(rest_.front()))) return std::nullopt;
  const auto number = take_number();
  if (!number || !std::holds_alternative<std::int64_t>(*number)) return std::nullopt;
  return bare_item(date{std::get<std::int64_t>(*number)});
}

std::optional<bare_item> reader::take_display_string() {
  if (!rest_.starts_with("%\"")) return std::nullopt;
  const std::size_t end = rest_.find('"', 2);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view inner = rest_.substr(2, end - 2);
  for (const char c : inner)
    if (c < 0x20 || c > 0x7e) return std::nullopt;
  auto text = percent_decode(inner);
  if (!text || to_valid_utf8(*text) != *text) return std::nullopt;
  rest_.remove_prefix(end + 1);
  return bare_item(display_string{std::move(*text)});
}

} // namespace

std::optional<dictionary> parse_dictionary(std::string_view text) { return reader(text).take_dictionary(); }

const member* find(const dictionary& in, std::string_view key) noexcept {
  const auto found = std::find_if(in.begin(), in.end(), [&](const member& each) { return each.key == key; });
  return found == in.end() ? nullptr : &*found;
}

std::string format_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c < 0x20 || c > 0x7e ? '?' : c;
  }
  return out + "\"";
}

} // namespace forebay::http::structured
