#include "origin/web/cookie_jar.h"

#include <algorithm>

#include "base/text.h"
#include "http/date.h"

namespace forebay::origin::web {
namespace {

/// RFC 6265 §5.1.4.
bool path_matches(std::string_view request, std::string_view cookie) {
  if (!request.starts_with(cookie)) return false;
  return request.size() == cookie.size() || cookie.ends_with('/') || request[cookie.size()] == '/';
}

std::string default_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

/// What would end a field or a cookie has no place in one.
bool is_sound(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f || c == ';' || c == ','; });
}

} // namespace

std::optional<cookie_jar::cookie> cookie_jar::parse(std::string_view text, const http::url_parts& from, wall_time now) {
  if (text.size() > cookie_bytes_max) return std::nullopt;
  const auto pieces = split(text, ';');
  const std::size_t equals = pieces[0].find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  cookie made;
  made.name = std::string(trim(pieces[0].substr(0, equals)));
  made.value = std::string(trim(pieces[0].substr(equals + 1)));
  made.path = default_path(from.path);
  if (made.name.empty() || !is_sound(made.name) || !is_sound(made.value)) return std::nullopt;
  bool has_age = false;
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const std::size_t sign = std::min(pieces[i].find('='), pieces[i].size());
    const std::string_view name = trim(pieces[i].substr(0, sign));
    const std::string_view value = sign == pieces[i].size() ? std::string_view{} : trim(pieces[i].substr(sign + 1));
    if (iequals(name, "secure")) made.secure = true;
    if (iequals(name, "path") && value.starts_with('/')) made.path = std::string(value);
    if (iequals(name, "max-age")) {
      const std::uint64_t seconds = std::min<std::uint64_t>(parse_u64(value).value_or(0), 366 * 86'400);
      made.expires = now + std::chrono::seconds(seconds); // a negative age has ended
      has_age = true;
    }
    if (iequals(name, "expires") && !has_age) made.expires = http::parse_date(value, now);
  }
  if (made.secure && from.scheme != "https") return std::nullopt;
  return made;
}

void cookie_jar::learn(const http::url_parts& from, const http::header_table& fields, wall_time now) {
  const std::lock_guard lock(mutex_);
  fields.each([&](std::string_view name, std::string_view value) {
    if (!iequals(name, "set-cookie")) return;
    auto fresh = parse(value, from, now);
    if (!fresh || (by_host_.size() >= hosts_max && !by_host_.contains(from.authority()))) return;
    auto& held = by_host_[from.authority()];
    std::erase_if(held, [&](const cookie& each) {
      const bool ended = each.expires && *each.expires <= now;
      return ended || (each.name == fresh->name && each.path == fresh->path);
    });
    if (fresh->expires && *fresh->expires <= now) return; // it was taken back
    if (held.size() >= cookies_max) held.erase(held.begin());
    held.push_back(std::move(*fresh));
  });
}

std::string cookie_jar::cookies_for(const http::url_parts& to, wall_time now) {
  const std::lock_guard lock(mutex_);
  std::string out;
  const auto found = by_host_.find(to.authority());
  if (found == by_host_.end()) return out;
  for (const cookie& each : found->second) {
    const bool ended = each.expires && *each.expires <= now;
    if (ended || (each.secure && to.scheme != "https") || !path_matches(to.path, each.path)) continue;
    if (!out.empty()) out += "; ";
    out += each.name + "=" + each.value;
  }
  return out;
}

} // namespace forebay::origin::web
