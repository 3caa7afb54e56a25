#include "app/cold_places.h"

#include <algorithm>

#include "origin/factory.h"

namespace forebay::app {

result<std::vector<cache::cold::place_settings>> make_cold_places(const config& effective,
                                                                  const space::space_map& spaces) {
  std::vector<cache::cold::place_settings> places;
  const auto& known = spaces.spaces();
  for (const namespace_config& wanted : effective.namespaces) {
    const cold_config& cold = wanted.cold;
    if (cold.url.empty()) continue;
    const std::string label = wanted.path.empty() ? "/" : wanted.path;
    const auto of = std::find_if(known.begin(), known.end(), [&](const auto& each) { return each->label == label; });
    if (of == known.end()) continue;
    origin::source_settings settings = effective.source_settings();
    settings.operator_named = true;
    auto store = origin::make_source(cold.url, settings);
    if (!store) return fail(std::move(store.error()));
    places.push_back({label, (*of)->tenant, cold.url, std::move(*store), cold.size_bytes, cold.lifetime, cold.timeout,
                      cold.connections});
  }
  return places;
}

} // namespace forebay::app
