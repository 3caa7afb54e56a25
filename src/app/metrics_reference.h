// docs/reference/metrics.md, from the registry itself.
#pragma once

#include <string>

namespace forebay::app {

/// Builds the parts that register metrics without starting any, and writes the table of all families.
std::string metrics_reference();

} // namespace forebay::app
