#include "origin/web/index_page.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>

#include "base/text.h"
#include "http/url.h"

namespace forebay::origin::web {
namespace {

/// Links that are read of one page; listings of more are cut by `max_entries` of the caller anyway.
constexpr std::size_t max_links = 200'000;

/// A link longer than this leads to nothing that a request could name; and what is done to each link takes its time.
constexpr std::size_t link_bytes_max = 8 * 1024;
/// The longest name of an entity that we know, with its semicolon: the search for the end goes no further.
constexpr std::size_t entity_bytes_max = 5;

/// Characters that HTML writes as entities in attributes of index pages.
std::string decode_entities(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, char>, 7> names{
      {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"#39", '\''}, {"#34", '"'}}};
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view ahead = text[at] == '&' ? text.substr(at + 1, entity_bytes_max) : std::string_view{};
    const std::size_t end = ahead.find(';');
    const std::string_view name = end == std::string_view::npos ? std::string_view{} : ahead.substr(0, end);
    const auto known = std::find_if(names.begin(), names.end(), [&](const auto& each) { return each.first == name; });
    if (known == names.end()) {
      out += text[at];
    } else {
      out += known->second;
      at += end + 1;
    }
  }
  return out;
}

/// The value of an attribute in the text of a tag; `tag_lower` is the same in lower case, for the search.
std::optional<std::string_view> attribute(std::string_view tag, std::string_view tag_lower, std::string_view name) {
  for (std::size_t at = tag_lower.find(name); at != std::string_view::npos; at = tag_lower.find(name, at + 1)) {
    const bool begins =
        at > 0 && (tag[at - 1] == ' ' || tag[at - 1] == '\t' || tag[at - 1] == '\n' || tag[at - 1] == '\r');
    std::size_t value = at + name.size();
    while (value < tag.size() && tag[value] == ' ') ++value;
    if (!begins || value >= tag.size() || tag[value] != '=') continue;
    ++value;
    while (value < tag.size() && tag[value] == ' ') ++value;
    if (value >= tag.size()) return std::nullopt;
    const char quote = tag[value];
    if (quote == '"' || quote == '\'') {
      const std::size_t end = tag.find(quote, value + 1);
      if (end == std::string_view::npos) return std::nullopt;
      return tag.substr(value + 1, end - value - 1);
    }
    return tag.substr(value, tag.find_first_of(" \t\r\n>", value) - value);
  }
  return std::nullopt;
}

/// Signs by which servers mark their listings.
bool is_listing(std::string_view lower) {
  static constexpr std::array<std::string_view, 5> signs = {"<title>index of", "<h1>index of", "directory listing for",
                                                            ">parent directory<", "https://caddyserver.com"};
  return std::any_of(signs.begin(), signs.end(),
                     [&](std::string_view each) { return lower.find(each) != std::string_view::npos; });
}

/// The name below the directory that a link leads to; nothing for sorting links, parents and other places.
std::optional<std::string> child_name(std::string_view href, std::string_view url, const http::url_parts& page,
                                      std::string_view directory) {
  if (href.empty() || href.front() == '?' || href.front() == '#') return std::nullopt;
  const auto resolved = http::resolve_reference(url, href);
  if (!resolved) return std::nullopt;
  const auto parts = http::parse_url(*resolved);
  if (!parts || parts->authority() != page.authority() || !parts->query.empty()) return std::nullopt;
  if (!parts->path.starts_with(directory)) return std::nullopt;
  auto name = percent_decode(std::string_view(parts->path).substr(directory.size()));
  if (!name || name->empty() || name->find('\0') != std::string::npos) return std::nullopt;
  const std::string_view bare = name->ends_with('/') ? std::string_view(*name).substr(0, name->size() - 1) : *name;
  if (bare.empty() || bare == "." || bare == ".." || bare.find('/') != std::string_view::npos) return std::nullopt;
  return name;
}

/// The text of `html` between tags, tags being spaces.
std::string without_tags(std::string_view html) {
  std::string out;
  bool inside = false;
  for (const char c : html) {
    if (c == '<') inside = true;
    out += inside ? ' ' : c;
    if (c == '>') inside = false;
  }
  return out;
}

bool is_time(std::string_view token) {
  return (token.size() == 5 || token.size() == 8) && token[2] == ':' &&
         std::isdigit(static_cast<unsigned char>(token[0])) != 0;
}

/// The length in what follows a link up to the next one: Caddy's data attribute, or the number right after the
/// time ("12345" is exact; "1.2K" is not and is left out).
std::optional<std::uint64_t> length_in(std::string_view after) {
  for (const std::string_view name : {" data-size=\"", " data-order=\""}) {
    const std::size_t at = after.find(name);
    if (at == std::string_view::npos) continue;
    const std::string_view value = after.substr(at + name.size());
    if (const auto length = parse_u64(value.substr(0, value.find('"')))) return length;
  }
  const std::string text = without_tags(after);
  bool timed = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n", at);
    if (begin == std::string::npos) break;
    const std::size_t end = std::min(text.find_first_of(" \t\r\n", begin), text.size());
    const std::string_view token = std::string_view(text).substr(begin, end - begin);
    if (timed) return parse_u64(token);
    timed = is_time(token);
    at = end;
  }
  return std::nullopt;
}

} // namespace

std::optional<std::vector<list_entry>> parse_index_page(std::string_view html, std::string_view url) {
  const std::string lower_text = to_lower(html);
  const std::string_view lower = lower_text;
  const auto page = http::parse_url(url);
  if (!page || !is_listing(lower)) return std::nullopt;
  const std::string directory = page->path.substr(0, page->path.rfind('/') + 1);
  std::vector<list_entry> entries;
  std::unordered_map<std::string, std::size_t> seen; // icons and names link to the same place
  std::size_t links = 0;
  for (std::size_t at = lower.find("<a "); at != std::string_view::npos && links < max_links; ++links) {
    const std::size_t close = std::min(lower.find('>', at), lower.size());
    const std::size_t next = lower.find("<a ", close);
    const auto href = attribute(html.substr(at, close - at), lower.substr(at, close - at), "href");
    const bool fits = href && href->size() <= link_bytes_max;
    const auto name = fits ? child_name(decode_entities(*href), url, *page, directory) : std::nullopt;
    if (name) {
      const auto [where, fresh] = seen.emplace(*name, entries.size());
      if (fresh) entries.push_back({*name, name->ends_with('/'), std::nullopt, std::nullopt, ""});
      list_entry& entry = entries[where->second];
      const std::size_t end = std::min(next, lower.size());
      if (!entry.directory) entry.length_bytes = length_in(html.substr(close, end - close));
    }
    at = next;
  }
  return entries;
}

} // namespace forebay::origin::web
