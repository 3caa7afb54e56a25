#include "front/written.h"

#include "base/log.h"

namespace forebay::front {
namespace {

/// The scopes in which namespaces read the bucket of `name`.
std::vector<std::string> scopes_of_bucket(const space::space_map& spaces, const origin::identity& name) {
  std::vector<std::string> scopes;
  for (const auto& space : spaces.spaces()) {
    for (const auto& source : space->origins) {
      auto other = source->identify("", "");
      const bool same = other.kind == name.kind && other.endpoint == name.endpoint && other.bucket == name.bucket;
      if (same) scopes.push_back(std::move(other.scope));
    }
  }
  return scopes;
}

} // namespace

net::task<void> forget_written(cache::content_cache& cache, std::shared_ptr<const space::space_map> spaces,
                               space::placement where) {
  std::vector<std::string> scopes;
  if (spaces != nullptr) scopes = scopes_of_bucket(*spaces, where.space->origins.front()->identify("", ""));
  const auto purged = co_await cache.purge_object(std::move(where), std::move(scopes));
  if (!purged) log::warn("front", "what was written is forgotten until a restart alone: {}", purged.error().message());
}

bool left_untouched(unsigned status) noexcept {
  return status >= 400 && status < 500 && status != 404 && status != 410;
}

} // namespace forebay::front
