#include "app/config_values.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "base/text.h"
#include "base/units.h"

namespace forebay::app {
namespace {

/// Longest string of any setting but lists of them; nothing that people mean is longer.
constexpr std::size_t text_bytes_max = 16 * 1024;

bool has_control(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool word_fits(std::string_view text, std::string_view also) noexcept {
  return std::all_of(text.begin(), text.end(), [also](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(c) != std::string_view::npos;
  });
}

/// A sentence for values of a type; the words after "expected".
std::string expectation(const key_info& key) {
  const std::string bounds = key.bounded() ? " " + format_bounds(key) : "";
  switch (key.type) {
  case value_type::boolean: return "true or false";
  case value_type::count: return "a whole number" + bounds;
  case value_type::number: return "a number" + bounds;
  case value_type::size: return "a size such as \"4GiB\" or \"500MB\"" + bounds;
  case value_type::share: return "a size such as \"4GiB\", or a share of the machine's memory such as \"25%\"";
  case value_type::duration: return "a duration such as \"250ms\", \"30s\", \"5m\", \"1h\" or \"7d\"" + bounds;
  case value_type::name: return "a name of letters, digits, '.', '-' and '_', at most 100";
  case value_type::level: return "\"debug\", \"info\", \"warn\" or \"error\"";
  case value_type::access_log: return "\"off\", \"stderr\" or the path of a file";
  case value_type::address: return "\"host:port\", \"[v6]:port\" or \":port\"";
  case value_type::space_path:
    return "a path such as \"/era5\": it begins with '/', and has no empty, \".\" or \"..\" segment, no '%', '?' or "
           "'#'";
  case value_type::file: return "the path of a file";
  case value_type::roles: return "a list of \"data\", \"s3\" and \"admin\"";
  case value_type::origins: return "a list of URLs such as [\"s3://bucket/prefix\"]";
  case value_type::numbers: return "a list of numbers" + bounds;
  case value_type::patterns: return "a list of patterns such as [\"*.zarr/**/[0-9]*\"]";
  case value_type::hosts: return "a list of hosts such as [\"data.example.org\", \"*.example.org\"]";
  case value_type::stores: return "a list of names such as [\"era5-pds\", \"noaa-*\"]";
  case value_type::networks: return "a list of networks such as [\"10.0.0.0/8\", \"fd00::/8\"]";
  case value_type::texts: return "a list of strings";
  default: return "a string";
  }
}

std::optional<problem> unexpected(const key_info& key, const raw_value& value) {
  return problem{key.type == value_type::secret ? "something else (hidden)" : value.describe(), expectation(key)};
}

/// One string of a setting: nothing wrong, or what.
std::optional<problem> check_text(const key_info& key, std::string_view text) {
  const auto refuse = [&](std::string expected) {
    return problem{toml_string(text.substr(0, 200)), std::move(expected)};
  };
  if (text.size() > text_bytes_max)
    return problem{fmt::format("{} bytes", text.size()), fmt::format("at most {} bytes", text_bytes_max)};
  if (key.type == value_type::secret) {
    if (has_control(text)) return problem{"a control character", "a secret without control characters"};
    return std::nullopt;
  }
  if (has_control(text)) return refuse("text without control characters");
  switch (key.type) {
  case value_type::name:
    if (text.empty() || text.size() > 100 || !word_fits(text, ".-_")) return refuse(expectation(key));
    break;
  case value_type::proxy_url: return text.empty() ? std::nullopt : check_proxy(text);
  case value_type::origins: return check_origin(text);
  case value_type::access_log:
    if (text != "off" && text != "stderr" && text.find('/') == std::string_view::npos) return refuse(expectation(key));
    break;
  case value_type::roles:
    if (text == "data" || text == "s3" || text == "admin") break;
    if (text == "services" || text == "dns") {
      return refuse("\"data\", \"s3\" or \"admin\"; \"" + std::string(text) + "\" is not in this version");
    }
    return refuse("\"data\", \"s3\" or \"admin\"");
  case value_type::patterns:
    if (text.empty() || text.size() > glob_pattern_bytes_max)
      return refuse(fmt::format("a pattern of 1 to {} bytes", glob_pattern_bytes_max));
    if (text.front() == '/')
      return refuse("a pattern that does not begin with '/': it is matched with the key below the namespace's path");
    break;
  case value_type::hosts: {
    if (text == "*") break;
    if (text.find("://") != std::string_view::npos) return refuse("a host alone, without \"https://\"");
    const std::string_view name = text.starts_with("*.") ? text.substr(2) : text;
    const std::string_view host = name.substr(0, name.find(':'));
    const bool port_fits =
        host.size() == name.size() || parse_u64(name.substr(host.size() + 1)).value_or(65'536) <= 65'535;
    if (host.empty() || host.size() > 253 || !word_fits(host, ".-_") || !port_fits) {
      return refuse("a host (\"data.example.org\"), all hosts below one (\"*.example.org\"), or \"*\"");
    }
    break;
  }
  case value_type::stores:
    if (text.empty() || text.size() > 255 || !word_fits(text, ".-_:*"))
      return refuse("a bucket's or account's name; '*' matches any run of characters");
    break;
  case value_type::address: {
    const std::size_t colon = text.rfind(':');
    const bool split_fits =
        colon != std::string_view::npos && parse_u64(text.substr(colon + 1)).value_or(65'536) <= 65'535;
    const std::string_view host = split_fits ? text.substr(0, colon) : std::string_view();
    const bool host_fits = host.empty() || host == "*" ||
                           (host.front() == '[' ? net::ip_address::parse(host).has_value() : word_fits(host, ".-_"));
    if (!split_fits || !host_fits) return refuse(expectation(key));
    break;
  }
  case value_type::space_path: {
    if (text.empty() || text.front() != '/' || text.find_first_of("%?#") != std::string_view::npos)
      return refuse(expectation(key));
    std::string_view inner = text.substr(1);
    if (inner.ends_with('/')) inner.remove_suffix(1); // "/era5/" means "/era5"
    if (inner.empty() && text.size() <= 1) break;
    for (const std::string_view segment : split(inner, '/')) {
      if (segment.empty() || segment == "." || segment == "..") return refuse(expectation(key));
    }
    break;
  }
  default: break;
  }
  return std::nullopt;
}

/// The number that a value is or, where it was written bare, spells.
std::optional<double> number_of(const raw_value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value.data)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&value.data))
    return std::isfinite(*number) ? std::optional(*number) : std::nullopt;
  const auto* text = std::get_if<std::string>(&value.data);
  if (text == nullptr || !value.bare || text->empty() || text->size() > 40) return std::nullopt;
  if (text->find_first_not_of("0123456789.-") != std::string::npos) return std::nullopt; // no "nan", no "0x10"
  char* end = nullptr;
  const double number = std::strtod(text->c_str(), &end);
  return *end == '\0' ? std::optional(number) : std::nullopt;
}

bool outside(const key_info& key, double value) noexcept {
  return key.bounded() && (value < key.least || value > key.most);
}

std::optional<std::uint64_t> whole_of(const key_info& key, const raw_value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data)) {
    const bool sized = key.type == value_type::size;
    if (!sized) return value.bare ? parse_u64(*text) : std::nullopt;
    const auto bytes = parse_size_bytes(*text);
    return bytes ? std::optional(*bytes) : std::nullopt;
  }
  const auto* integer = std::get_if<std::int64_t>(&value.data);
  if (integer == nullptr || *integer < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*integer);
}

std::optional<std::chrono::milliseconds> duration_of(const raw_value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data)) {
    const auto length = parse_duration(*text);
    return length ? std::optional(*length) : std::nullopt;
  }
  const auto* integer = std::get_if<std::int64_t>(&value.data);
  if (integer != nullptr && *integer == 0) return std::chrono::milliseconds(0); // other bare numbers hide their unit
  return std::nullopt;
}

/// The items of a list; a bare text is split at commas.
std::optional<raw_value::list> items_of(const raw_value& value) {
  if (const auto* list = std::get_if<raw_value::list>(&value.data)) return *list;
  const auto* text = std::get_if<std::string>(&value.data);
  if (text == nullptr || !value.bare) return std::nullopt;
  raw_value::list items;
  if (trim(*text).empty()) return items;
  for (const std::string_view piece : split(*text, ',')) items.push_back({value.at, std::string(trim(piece)), true});
  return items;
}

/// Puts a value of one C++ type in its place.
class assigner {
public:
  assigner(const key_info& key, const raw_value& value) : key_(key), value_(value) {}

  std::optional<problem> operator()(bool* into) const {
    const auto* boolean = std::get_if<bool>(&value_.data);
    const auto* text = std::get_if<std::string>(&value_.data);
    const bool spelled = text != nullptr && value_.bare && (*text == "true" || *text == "false");
    if (boolean == nullptr && !spelled) return unexpected(key_, value_);
    *into = boolean != nullptr ? *boolean : *text == "true";
    return std::nullopt;
  }
  std::optional<problem> operator()(std::uint64_t* into) const {
    const auto whole = whole_of(key_, value_);
    if (!whole || outside(key_, static_cast<double>(*whole))) return unexpected(key_, value_);
    *into = *whole;
    return std::nullopt;
  }
  std::optional<problem> operator()(unsigned* into) const {
    std::uint64_t wide = 0;
    if (auto wrong = (*this)(&wide)) return wrong;
    if (wide > std::numeric_limits<unsigned>::max()) return unexpected(key_, value_);
    *into = static_cast<unsigned>(wide);
    return std::nullopt;
  }
  std::optional<problem> operator()(double* into) const {
    const auto number = number_of(value_);
    if (!number || outside(key_, *number)) return unexpected(key_, value_);
    *into = *number;
    return std::nullopt;
  }
  std::optional<problem> operator()(std::optional<double>* into) const {
    double number = 0;
    if (auto wrong = (*this)(&number)) return wrong;
    *into = number;
    return std::nullopt;
  }
  std::optional<problem> operator()(std::chrono::milliseconds* into) const {
    const auto length = duration_of(value_);
    if (!length || outside(key_, static_cast<double>(length->count()))) return unexpected(key_, value_);
    *into = *length;
    return std::nullopt;
  }
  std::optional<problem> operator()(std::chrono::seconds* into) const {
    std::chrono::milliseconds length{};
    if (auto wrong = (*this)(&length)) return wrong;
    if (length.count() % 1000 != 0) return problem{value_.describe(), "whole seconds"}; // RFC 9111 counts in them
    *into = std::chrono::duration_cast<std::chrono::seconds>(length);
    return std::nullopt;
  }
  std::optional<problem> operator()(std::optional<std::chrono::seconds>* into) const {
    std::chrono::seconds length{};
    if (auto wrong = (*this)(&length)) return wrong;
    *into = length;
    return std::nullopt;
  }
  std::optional<problem> operator()(log::level* into) const {
    const auto* text = std::get_if<std::string>(&value_.data);
    const auto level = text != nullptr ? parse_level(*text) : std::nullopt;
    if (!level) return unexpected(key_, value_);
    *into = *level;
    return std::nullopt;
  }
  std::optional<problem> operator()(std::string* into) const {
    if (key_.type == value_type::share) return assign_share(into);
    const auto* text = std::get_if<std::string>(&value_.data);
    if (text == nullptr) return unexpected(key_, value_);
    if (auto wrong = check_text(key_, *text)) return wrong;
    *into = *text;
    if (key_.type == value_type::space_path && into->ends_with('/')) into->pop_back();
    return std::nullopt;
  }
  std::optional<problem> operator()(secret* into) const { return (*this)(&into->text); }
  std::vector<problem> operator()(std::vector<std::string>* into) const {
    return assign_items(into, [this, into](const raw_value& item) -> std::optional<problem> {
      const auto* text = std::get_if<std::string>(&item.data);
      into->push_back(text == nullptr ? "" : key_.type == value_type::hosts ? to_lower(*text) : *text);
      if (text == nullptr) return unexpected(key_, item);
      if (auto wrong = check_text(key_, *text)) return wrong;
      const bool again = std::find(into->begin(), into->end() - 1, into->back()) != into->end() - 1;
      return again ? std::optional(problem{toml_string(*text) + " twice", "each entry once"}) : std::nullopt;
    });
  }
  std::vector<problem> operator()(std::vector<double>* into) const {
    return assign_items(into, [this, into](const raw_value& item) -> std::optional<problem> {
      const auto number = number_of(item);
      into->push_back(number.value_or(0));
      if (!number || outside(key_, *number)) return unexpected(key_, item);
      return std::nullopt;
    });
  }
  std::vector<problem> operator()(std::vector<net::ip_network>* into) const {
    return assign_items(into, [into](const raw_value& item) -> std::optional<problem> {
      const auto* text = std::get_if<std::string>(&item.data);
      const auto network = text != nullptr ? net::ip_network::parse(*text) : std::nullopt;
      if (!network) return problem{item.describe(), "a network such as \"10.0.0.0/8\" or \"fd00::/8\""};
      into->push_back(*network);
      return std::nullopt;
    });
  }

private:
  /// `add` appends one element to `into`, and says what is wrong with it.
  template <typename Value, typename Add>
  std::vector<problem> assign_items(std::vector<Value>* into, Add add) const {
    const auto items = items_of(value_);
    if (!items) return {*unexpected(key_, value_)};
    into->clear();
    std::vector<problem> all;
    for (std::size_t i = 0; i < items->size(); ++i) {
      auto wrong = add((*items)[i]);
      if (!wrong) continue;
      wrong->item = i;
      all.push_back(std::move(*wrong));
    }
    return all;
  }
  std::optional<problem> assign_share(std::string* into) const {
    if (const auto* text = std::get_if<std::string>(&value_.data)) {
      const auto bytes = parse_size_bytes(*text);
      const bool size_fits = bytes && !outside(key_, static_cast<double>(*bytes));
      if (!size_fits && !parse_percentage(*text)) {
        return problem{value_.describe(), bytes ? "a size " + format_bounds(key_) : expectation(key_)};
      }
      *into = *text;
      return std::nullopt;
    }
    std::uint64_t bytes = 0;
    if (auto wrong = (*this)(&bytes)) return wrong;
    *into = format_size(bytes);
    return std::nullopt;
  }

  const key_info& key_;
  const raw_value& value_;
};

std::vector<problem> as_list(std::vector<problem> all) { return all; }
std::vector<problem> as_list(std::optional<problem> one) {
  if (!one) return {};
  return {std::move(*one)};
}

} // namespace

std::vector<problem> assign(target where, const key_info& key, const raw_value& value) {
  return std::visit([&](auto* into) { return as_list(assigner(key, value)(into)); }, where);
}

std::optional<unsigned> parse_percentage(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  const auto number = parse_u64(text.substr(0, text.size() - 1));
  if (!number || *number < 1 || *number > 100) return std::nullopt;
  return static_cast<unsigned>(*number);
}

} // namespace forebay::app
