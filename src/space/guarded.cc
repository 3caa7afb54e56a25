#include "space/guarded.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"
#include "http/url.h"
#include "space/access_rules.h"

namespace forebay::space {
namespace {

/// A key that tells where keys stand in the names that a source gives: an empty one may have a name of its own.
constexpr const char* probe = "forebay-probe";

bool guarded(const name_space& one) { return !one.is_public || one.access != nullptr; }

bool is_usual(std::uint16_t port) { return port == 80 || port == 443; }

/// "data.example.org." is the same host (RFC 1034 §3.1).
std::string_view without_dot(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

/// One web server answers at the usual ports of both schemes.
bool same_endpoint(const store_place& a, const store_place& b) {
  if (a.endpoint == b.endpoint) return true;
  if (a.kind != "web" || b.kind != "web") return false;
  const auto one = http::parse_url(a.endpoint), other = http::parse_url(b.endpoint);
  if (!one || !other || without_dot(one->host) != without_dot(other->host)) return false;
  return one->port == other->port || (is_usual(one->port) && is_usual(other->port));
}

std::vector<store_place> places_of(const name_space& of) {
  std::vector<store_place> places;
  for (const auto& source : of.origins) {
    auto place = place_of(*source, probe);
    if (!place || !place->path.ends_with(probe)) continue;
    place->path.resize(place->path.size() - std::string_view(probe).size());
    while (place->path.ends_with('/')) place->path.pop_back();
    places.push_back(std::move(*place));
  }
  return places;
}

} // namespace

std::optional<std::string> lenient_path(std::string_view path) {
  std::string slashed(path);
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  std::string made;
  for (std::string_view segment : split(slashed, '/')) {
    segment = segment.substr(0, segment.find(';'));
    if (segment == "..") return std::nullopt;
    if (segment.empty() || segment == ".") continue;
    if (!made.empty()) made += '/';
    made += segment;
  }
  return made;
}

std::optional<store_place> place_of(const origin::source& source, const std::string& key) {
  auto name = source.identify(key, "");
  if (name.kind == "web") {
    auto decoded = percent_decode(name.key);
    if (decoded) name.key = std::move(*decoded);
  }
  auto path = lenient_path(name.key);
  if (!path) return std::nullopt;
  return store_place{std::move(name.kind), std::move(name.endpoint), std::move(name.bucket), std::move(*path)};
}

bool holds(const store_place& outer, const store_place& inner) {
  return outer.kind == inner.kind && outer.bucket == inner.bucket && same_endpoint(outer, inner) &&
         covers(outer.path, inner.path);
}

guarded_spaces::guarded_spaces(const std::vector<std::shared_ptr<const name_space>>& all) {
  for (const auto& one : all) {
    if (guarded(*one)) entries_.push_back({lenient_path(one->path).value_or(one->path), places_of(*one)});
  }
}

bool guarded_spaces::hold_path(const name_space& of, std::string_view key) const {
  if (entries_.empty() || key.empty()) return false;
  const auto own = lenient_path(of.path);
  if (!own) return true;
  const auto deeper = [&](const entry& one) { return one.path.size() > own->size() && covers(*own, one.path); };
  if (std::none_of(entries_.begin(), entries_.end(), deeper)) return false;
  const auto whole = lenient_path(of.path + "/" + std::string(key));
  return !whole || std::any_of(entries_.begin(), entries_.end(),
                               [&](const entry& one) { return deeper(one) && covers(one.path, *whole); });
}

bool guarded_spaces::hold_object(const name_space& of, const std::string& key) const {
  if (entries_.empty()) return false;
  for (const auto& source : of.origins) {
    const auto place = place_of(*source, key);
    if (!place) return true;
    for (const entry& one : entries_) {
      const auto in = [&](const store_place& outer) { return holds(outer, *place); };
      if (std::any_of(one.places.begin(), one.places.end(), in)) return true;
    }
  }
  return false;
}

std::vector<std::string> exposed_origins(const std::vector<std::shared_ptr<const name_space>>& all) {
  std::vector<std::string> told;
  const auto exposes = [](const name_space& open, const name_space& closed) {
    for (const store_place& outer : places_of(open)) {
      for (const store_place& inner : places_of(closed)) {
        if (!holds(outer, inner)) continue;
        const auto path = lenient_path(open.path + "/" + inner.path.substr(outer.path.size()));
        const bool own_path = path && *path == lenient_path(closed.path); // there the longest path decides
        if (!own_path || closed.path.size() <= open.path.size()) return true;
      }
    }
    return false;
  };
  for (const auto& open : all) {
    for (const auto& closed : all) {
      if (guarded(*open) || !guarded(*closed) || !exposes(*open, *closed)) continue;
      told.push_back(fmt::format("everybody reads what is in \"{}\", which is not public, through \"{}/\": its origin "
                                 "holds the other's",
                                 closed->path, open->path));
    }
  }
  return told;
}

} // namespace forebay::space
