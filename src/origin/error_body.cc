#include "origin/error_body.h"

#include <pugixml.hpp>

#include "base/text.h"
#include "origin/json_text.h"

namespace forebay::origin {
namespace {

constexpr std::size_t code_characters = 100;
constexpr std::size_t message_characters = 300;

std::string clean(std::string_view text, std::size_t limit) {
  std::string out(text.substr(0, limit));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return std::string(trim(out));
}

/// The element of that name here or one level down, whatever its namespace prefix.
pugi::xml_node find_error(const pugi::xml_document& document) {
  for (const pugi::xml_node outer : document.children()) {
    if (std::string_view(outer.name()) == "Error") return outer;
    if (const auto inner = outer.child("Error")) return inner;
  }
  return {};
}

/// `{"error": {"message": "...", "errors": [{"reason": "notFound"}]}}` of Google's JSON API.
error_words words_of_json(std::string_view body) {
  error_words words;
  const auto json = parse_json(body);
  const auto found = json.is_object() ? json.find("error") : json.end();
  if (found == json.end() || !found->is_object()) return words;
  const auto text = [](const nlohmann::json& in, const char* key) {
    const auto at = in.find(key);
    return at != in.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  words.detail.message = clean(text(*found, "message"), message_characters);
  const auto each = found->find("errors");
  if (each != found->end() && each->is_array() && !each->empty() && each->front().is_object())
    words.detail.code = clean(text(each->front(), "reason"), code_characters);
  return words;
}

} // namespace

std::string clean_words(std::string_view text) { return clean(text, message_characters); }

error_words parse_error_body(std::string_view body) {
  error_words words;
  if (body.starts_with('{')) return words_of_json(body);
  const std::size_t start = body.find('<');
  if (start == std::string_view::npos || start > 8) return words; // a byte order mark at most
  pugi::xml_document document;
  const auto parsed = document.load_buffer(body.data(), body.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed) return words;
  const pugi::xml_node found = find_error(document);
  words.detail.code = clean(found.child_value("Code"), code_characters);
  words.detail.message = clean(found.child_value("Message"), message_characters);
  words.region = clean(found.child_value("Region"), code_characters);
  return words;
}

} // namespace forebay::origin
