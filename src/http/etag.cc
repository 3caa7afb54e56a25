#include "http/etag.h"

#include <algorithm>

#include "base/text.h"
#include "http/date.h"

namespace forebay::http {
namespace {

/// etagc (RFC 9110 §8.8.3): visible characters without the quote, and bytes above ASCII.
bool is_tag_character(char c) noexcept {
  const auto u = static_cast<unsigned char>(c);
  return u >= 0x80 || (u > 0x20 && u < 0x7f && u != '"');
}

bool take_prefix(std::string_view& text, std::string_view prefix) noexcept {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Takes characters of a tag, all or those before a comma.
std::string_view take_opaque(std::string_view& text, bool stop_at_comma) noexcept {
  std::size_t length = 0;
  while (length < text.size() && is_tag_character(text[length]) && !(stop_at_comma && text[length] == ',')) ++length;
  const std::string_view opaque = text.substr(0, length);
  text.remove_prefix(length);
  return opaque;
}

/// The tag at the front of `text`; the rest stays in `text`.
std::optional<etag> take_quoted(std::string_view& text) {
  etag tag;
  tag.weak = take_prefix(text, "W/"); // case-sensitive (RFC 9110 §8.8.3)
  if (!take_prefix(text, "\"")) return std::nullopt;
  tag.opaque = take_opaque(text, false);
  if (!take_prefix(text, "\"")) return std::nullopt;
  return tag;
}

std::optional<etag> take_unquoted(std::string_view& text) {
  etag tag;
  tag.weak = take_prefix(text, "W/");
  tag.opaque = take_opaque(text, true);
  if (tag.opaque.empty() || tag.opaque == "*") return std::nullopt;
  return tag;
}

wall_time whole_seconds(wall_time when) noexcept { return std::chrono::floor<std::chrono::seconds>(when); }

/// The one date in the fields of that name; nothing (the field is then ignored) when there are several or it
/// is malformed (RFC 9110 §13.1.3, §13.1.4).
std::optional<wall_time> single_date(const header_table& request, std::string_view name, wall_time now) {
  if (request.count(name) != 1) return std::nullopt;
  return parse_date(*request.get(name), now);
}

bool if_match_holds(std::string_view text, const validators& have) {
  const auto list = parse_etag_list(text);
  if (!list) return false; // who guards a request with words we cannot read must not get it done
  if (list->any) return true;
  if (!have.tag) return false;
  return std::any_of(list->tags.begin(), list->tags.end(), [&](const etag& t) { return strong_match(t, *have.tag); });
}

bool if_none_match_holds(std::string_view text, const validators& have) {
  const auto list = parse_etag_list(text);
  if (!list) return true; // unreadable: as if it named no tag of ours
  if (list->any) return false;
  if (!have.tag) return true;
  return std::none_of(list->tags.begin(), list->tags.end(), [&](const etag& t) { return weak_match(t, *have.tag); });
}

} // namespace

std::string etag::to_string() const { return (weak ? "W/\"" : "\"") + opaque + "\""; }

std::optional<etag> parse_etag(std::string_view text) {
  text = trim(text);
  auto tag = take_quoted(text);
  if (!tag || !text.empty()) return std::nullopt;
  return tag;
}

std::optional<etag_list> parse_etag_list(std::string_view text) {
  text = trim(text);
  etag_list list;
  if (text == "*") {
    list.any = true;
    return list;
  }
  while (true) {
    text = trim(text);
    if (text.empty()) break;
    if (take_prefix(text, ",")) continue; // an empty member
    const bool quoted = text.front() == '"' || text.substr(0, 3) == "W/\"";
    auto tag = quoted ? take_quoted(text) : take_unquoted(text);
    if (!tag) return std::nullopt;
    text = trim(text);
    if (!text.empty() && text.front() != ',') return std::nullopt;
    list.tags.push_back(std::move(*tag));
  }
  if (list.tags.empty()) return std::nullopt;
  return list;
}

bool strong_match(const etag& a, const etag& b) noexcept { return !a.weak && !b.weak && a.opaque == b.opaque; }
bool weak_match(const etag& a, const etag& b) noexcept { return a.opaque == b.opaque; }

precondition evaluate_preconditions(const header_table& request, const validators& have, bool safe_method,
                                    wall_time now) {
  // Steps 1 and 2: If-Match, else If-Unmodified-Since.
  if (const auto match = request.joined("if-match")) {
    if (!if_match_holds(*match, have)) return precondition::failed;
  } else if (have.last_modified) {
    const auto since = single_date(request, "if-unmodified-since", now);
    if (since && whole_seconds(*have.last_modified) > *since) return precondition::failed;
  }
  // Steps 3 and 4: If-None-Match, else (for GET and HEAD) If-Modified-Since.
  if (const auto none = request.joined("if-none-match")) {
    if (!if_none_match_holds(*none, have)) return safe_method ? precondition::not_modified : precondition::failed;
  } else if (safe_method && have.last_modified) {
    const auto since = single_date(request, "if-modified-since", now);
    if (since && whole_seconds(*have.last_modified) <= *since) return precondition::not_modified;
  }
  return precondition::proceed;
}

bool if_range_holds(const header_table& request, const validators& have, std::optional<wall_time> date, wall_time now) {
  const std::size_t given = request.count("if-range");
  if (given == 0) return true;
  if (given > 1) return false;
  const std::string_view text = *request.get("if-range");
  if (const auto tag = parse_etag(text)) return have.tag && strong_match(*tag, *have.tag);
  const auto asked = parse_date(text, now);
  if (!asked || !have.last_modified || !date) return false;
  const wall_time modified = whole_seconds(*have.last_modified);
  const bool strong = *date >= modified + std::chrono::seconds(1); // RFC 9110 §8.8.2.2
  return strong && *asked == modified;
}

} // namespace forebay::http
