#include "front/named_objects.h"

#include "base/text.h"
#include "front/target.h"
#include "http/authority.h"
#include "http/url.h"

namespace forebay::front {
namespace {

/// Below the origin, where that is a web server: it may not know by which address it is read here.
std::optional<space::placement> at_origin(const space::placement& where, std::string_view reference) {
  const auto& source = *where.space->origins.front();
  const auto name = source.identify(where.key, "");
  if (name.kind != "web") return std::nullopt;
  const auto resolved = http::resolve_reference(name.endpoint + name.key, reference);
  const auto url = resolved ? http::parse_url(*resolved) : http::parse_url("");
  if (!url || url->authority() != name.endpoint) return std::nullopt;
  std::string above = source.identify("", "").key;
  if (!above.ends_with('/')) above += '/';
  if (!url->path.starts_with(above)) return std::nullopt;
  auto key = percent_decode(std::string_view(url->path).substr(above.size()));
  if (!key) return std::nullopt;
  return space::placement{where.space, std::move(*key), ""};
}

/// At this node, by the address that the reader used.
std::optional<space::placement> at_node(const http::request& asked, std::string_view reference,
                                        const space::space_map& spaces) {
  const std::string scheme = asked.tls ? "https" : "http";
  const std::string host = to_lower(asked.head.fields.get("host").value_or(""));
  const auto target = parse_target(asked.head.target);
  if (!target || host.empty()) return std::nullopt;
  const auto resolved = http::resolve_reference(scheme + "://" + host + target->path, reference);
  const auto url = resolved ? http::parse_url(*resolved) : http::parse_url("");
  if (!url) return std::nullopt;
  const std::string authority = url->authority().substr(url->scheme.size() + 3);
  if (!http::same_authority(authority, host, scheme)) return std::nullopt;
  auto found = spaces.resolve(url->path, "");
  if (!found) return std::nullopt;
  return std::move(*found);
}

} // namespace

std::vector<space::placement> named_objects(const http::request& asked, const space::placement& where,
                                            const http::header_table& answer, const space::space_map& spaces) {
  std::vector<space::placement> found;
  for (const std::string_view field : {"location", "content-location"}) {
    const auto reference = answer.get(field);
    if (!reference) continue;
    auto named = at_origin(where, *reference);
    if (!named) named = at_node(asked, *reference, spaces);
    if (named) found.push_back(std::move(*named));
  }
  return found;
}

} // namespace forebay::front
