#include "app/sign_url.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "app/config.h"
#include "app/exit_codes.h"
#include "base/text.h"
#include "base/units.h"
#include "space/path.h"
#include "space/signed_url.h"

namespace forebay::app {
namespace {

command_outcome refuse(std::string why) { return {exit_usage, {}, fmt::format("forebay: {}\n", why)}; }

/// Where the path begins: behind scheme and authority, where there are some.
std::size_t path_at(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (url.starts_with('/') || scheme == std::string_view::npos) return 0;
  return std::min(url.find('/', scheme + 3), url.size());
}

/// The longest of the namespaces that hold the decoded path.
const namespace_config* find_namespace(const config& in, std::string_view path) {
  const namespace_config* longest = nullptr;
  for (const namespace_config& one : in.namespaces) {
    const bool inside = path.starts_with(one.path) && (path.size() == one.path.size() || path[one.path.size()] == '/');
    if (inside && (longest == nullptr || one.path.size() > longest->path.size())) longest = &one;
  }
  return longest;
}

/// The key of this id, or the last one, of those that the namespace takes.
const signing_key_config* find_signing_key(const config& in, const namespace_config& space, const std::string& id) {
  const auto& taken = space.allow.signing_keys;
  const auto found = std::find_if(in.signing_keys.rbegin(), in.signing_keys.rend(), [&](const signing_key_config& one) {
    return (id.empty() || one.id == id) && std::find(taken.begin(), taken.end(), one.id) != taken.end();
  });
  return found == in.signing_keys.rend() ? nullptr : &*found;
}

/// Methods are upper-case, whatever a hand typed.
std::string method_of(std::string method) {
  std::transform(method.begin(), method.end(), method.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return method;
}

/// What may stand in a path as it is; a blank may not (RFC 3986 §3.3).
constexpr std::string_view kept_in_paths = "/%!$&'()*+,;=:@";

} // namespace

command_outcome sign_url(const sign_options& options, const clock& time) {
  const auto loaded = load_file(options.config_file, options.sets);
  if (!loaded) return refuse(loaded.error().front().message());
  const auto lifetime = parse_duration(options.lifetime);
  if (!lifetime || lifetime->count() <= 0) return refuse("--expires is a duration such as 15m, 1h or 7d");
  if (!options.network.empty() && !net::ip_network::parse(options.network))
    return refuse("--network is a network such as 192.0.2.0/24");

  const std::string url = options.url.substr(0, options.url.find('#')); // a fragment is not sent
  const std::size_t path = path_at(url), mark = url.find('?', path);
  const std::string written =
      percent_encode(url.substr(path, mark == std::string::npos ? mark : mark - path), kept_in_paths);
  const auto decoded = space::decode_path(written);
  if (!decoded) return refuse(decoded.error().context);
  const auto* const space = find_namespace(*loaded, *decoded);
  if (space == nullptr) return refuse("no namespace of the configuration has this path");
  const auto* const key = find_signing_key(*loaded, *space, options.key_id);
  if (key == nullptr) {
    return refuse(fmt::format("the namespace \"{}\" takes no such key of [[signing_keys]]: see its allow.signing_keys",
                              space->path.empty() ? "/" : space->path));
  }
  const auto end = std::chrono::ceil<std::chrono::seconds>(time.wall() + *lifetime).time_since_epoch();
  space::signed_terms terms;
  terms.method = method_of(options.method);
  terms.path = written;
  terms.below = options.below;
  terms.query = mark == std::string::npos ? std::string() : url.substr(mark + 1);
  terms.expires = static_cast<std::uint64_t>(end.count());
  if (!options.network.empty()) terms.network = options.network;
  const auto query = space::sign_query(terms, {key->id, key->key.value});
  if (!query) return refuse(query.error().context);
  return {exit_ok, fmt::format("{}{}?{}\n", url.substr(0, path), written, *query), {}};
}

} // namespace forebay::app
