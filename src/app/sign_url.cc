#include "app/sign_url.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "app/config.h"
#include "app/exit_codes.h"
#include "base/units.h"
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

const signing_key_config* find_signing_key(const config& in, const std::string& id) {
  if (in.signing_keys.empty()) return nullptr;
  if (id.empty()) return &in.signing_keys.back();
  const auto found = std::find_if(in.signing_keys.begin(), in.signing_keys.end(),
                                  [&](const signing_key_config& one) { return one.id == id; });
  return found == in.signing_keys.end() ? nullptr : &*found;
}

} // namespace

command_outcome sign_url(const sign_options& options, const clock& time) {
  const auto loaded = load_file(options.config_file, options.sets);
  if (!loaded) return refuse(loaded.error().front().message());
  const auto* const key = find_signing_key(*loaded, options.key_id);
  if (key == nullptr) return refuse("the configuration has no such entry of [[signing_keys]]");
  const auto lifetime = parse_duration(options.lifetime);
  if (!lifetime || lifetime->count() <= 0) return refuse("--expires is a duration such as 15m, 1h or 7d");
  if (!options.network.empty() && !net::ip_network::parse(options.network))
    return refuse("--network is a network such as 192.0.2.0/24");

  const std::size_t path = path_at(options.url), mark = options.url.find('?', path);
  const auto end = std::chrono::ceil<std::chrono::seconds>(time.wall() + *lifetime).time_since_epoch();
  space::signed_terms terms;
  terms.method = options.method;
  terms.path = options.url.substr(path, mark == std::string::npos ? mark : mark - path);
  terms.below = options.below;
  terms.query = mark == std::string::npos ? std::string() : options.url.substr(mark + 1);
  terms.expires = static_cast<std::uint64_t>(end.count());
  if (!options.network.empty()) terms.network = options.network;
  const auto query = space::sign_query(terms, {key->id, key->key.value});
  if (!query) return refuse(query.error().context);
  return {exit_ok, fmt::format("{}?{}\n", options.url.substr(0, mark), *query), {}};
}

} // namespace forebay::app
