#include "app/config_document.h"

#include <fmt/format.h>
#include <optional>
#include <toml++/toml.h>

#include "base/text.h"

namespace forebay::app {
namespace {

constexpr std::size_t shown_bytes_max = 80; // of a wrong string

place place_of(const toml::source_region& region, const std::string& source) {
  return {source, region.begin.line, region.begin.column};
}

raw_value convert(const toml::node& node, const std::string& source) {
  raw_value made;
  made.at = place_of(node.source(), source);
  if (const auto* boolean = node.as_boolean()) {
    made.data = boolean->get();
  } else if (const auto* integer = node.as_integer()) {
    made.data = static_cast<std::int64_t>(integer->get());
  } else if (const auto* number = node.as_floating_point()) {
    made.data = number->get();
  } else if (const auto* text = node.as_string()) {
    made.data = text->get();
  } else if (const auto* array = node.as_array()) {
    raw_value::list list;
    for (const toml::node& each : *array) list.push_back(convert(each, source));
    made.data = std::move(list);
  } else if (const auto* table = node.as_table()) {
    raw_value::table entries;
    for (auto&& [key, value] : *table) {
      entries.push_back({std::string(key.str()), place_of(key.source(), source), convert(value, source)});
    }
    made.data = std::move(entries);
  }
  return made;
}

/// toml++'s first sentence is the useful one; the rest lists what its parser was doing.
mistake syntax_mistake(const toml::parse_error& failure, const std::string& source) {
  std::string why = to_valid_utf8(failure.description());
  const place at = place_of(failure.source(), source);
  return {at, "", fmt::format("a mistake of TOML's syntax ({})", why), "correct TOML; what follows was not checked"};
}

} // namespace

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : to_valid_utf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += fmt::format("\\u{:04X}", byte);
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

std::string raw_value::describe() const {
  if (const auto* boolean = std::get_if<bool>(&data)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&data)) return fmt::format("the number {}", *integer);
  if (const auto* number = std::get_if<double>(&data)) return fmt::format("the number {}", *number);
  if (const auto* text = std::get_if<std::string>(&data)) {
    if (text->size() <= shown_bytes_max) return toml_string(*text);
    return toml_string(text->substr(0, shown_bytes_max)) + "...";
  }
  if (const auto* items = std::get_if<list>(&data)) return items->empty() ? "an empty array" : "an array";
  if (std::holds_alternative<table>(data)) return "a table";
  return "a date or time";
}

tl::expected<raw_value, mistake> parse_document(std::string_view text, const std::string& source) {
  if (text.size() > document_bytes_max) {
    return tl::unexpected(mistake{{source},
                                  "",
                                  fmt::format("{} bytes", text.size()),
                                  fmt::format("a configuration of at most {} bytes", document_bytes_max)});
  }
  try {
    const toml::table parsed = toml::parse(text, std::string_view(source));
    return convert(parsed, source);
  } catch (const toml::parse_error& failure) {
    return tl::unexpected(syntax_mistake(failure, source));
  }
}

tl::expected<raw_value, mistake> parse_override(std::string_view text, const std::string& source,
                                                const std::string& key) {
  const std::string_view shown = trim(text);
  const bool toml_value = !shown.empty() && std::string_view("[{\"'").find(shown.front()) != std::string_view::npos;
  raw_value made;
  if (toml_value) {
    auto parsed = parse_document(fmt::format("x = {}", shown), source);
    if (!parsed) {
      parsed.error().at = {source};
      parsed.error().key = key;
      return tl::unexpected(std::move(parsed.error()));
    }
    auto& entries = std::get<raw_value::table>(parsed->data);
    if (entries.size() != 1 || entries.front().key != "x") { // a line feed let further keys in
      return tl::unexpected(mistake{{source}, key, "more than one value", "one TOML value"});
    }
    made = std::move(entries.front().value);
  } else {
    made.data = std::string(text);
    made.bare = true;
  }
  made.at = {source};
  return made;
}

} // namespace forebay::app
