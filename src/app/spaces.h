// From the configuration to namespaces with their sources.
#pragma once

#include <memory>

#include "app/config.h"
#include "base/result.h"
#include "space/space.h"

namespace forebay::app {

/// The map of a configuration. Sources with equal URLs and credentials share their limits and breakers with those
/// of an earlier map (origin/factory.h), so a reload forgets nothing about an origin.
result<std::shared_ptr<const space::space_map>> make_spaces(const config& effective);

} // namespace forebay::app
