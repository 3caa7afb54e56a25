// From the configuration to the places of the cold tier.
#pragma once

#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "cache/cold/place.h"
#include "space/space.h"

namespace forebay::app {

/// Those of the namespaces that have one, with their stores. invalid_input: a store that cannot be made.
result<std::vector<cache::cold::place_settings>> make_cold_places(const config& effective,
                                                                  const space::space_map& spaces);

} // namespace forebay::app
