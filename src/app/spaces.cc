#include "app/spaces.h"

#include "origin/factory.h"

namespace forebay::app {

result<std::shared_ptr<const space::space_map>> make_spaces(const config& effective) {
  const origin::source_settings common = effective.source_settings();
  std::vector<std::shared_ptr<const space::name_space>> spaces;
  for (std::size_t i = 0; i < effective.namespaces.size(); ++i) {
    const namespace_config& wanted = effective.namespaces[i];
    auto made = std::make_shared<space::name_space>();
    made->path = wanted.path;
    made->freshness = wanted.freshness;
    made->write = wanted.write;
    made->listing = wanted.listing;
    made->tenant = static_cast<storage::tenant_id>(i + 1); // 0: all open stores
    made->label = wanted.path.empty() ? "/" : wanted.path;
    for (std::size_t n = 0; n < wanted.origins.size(); ++n) {
      origin::source_settings settings = common;
      settings.egress_usd_per_gb = wanted.price_of(n);
      settings.operator_named = true; // its own host may be private; what readers name may not
      auto source = origin::make_source(wanted.origins[n], settings);
      if (!source) return fail(source.error());
      made->origins.push_back(std::move(*source));
    }
    spaces.push_back(std::move(made));
  }
  auto make = [common](std::string_view url) { return origin::make_source(url, common); };
  return std::make_shared<const space::space_map>(std::move(spaces), effective.open, std::move(make));
}

} // namespace forebay::app
