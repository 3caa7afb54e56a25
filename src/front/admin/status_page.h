// GET /status: what the node is, holds and did, as JSON.
#pragma once

#include <string>

#include "base/metrics.h"
#include "front/admin/node_state.h"
#include "front/notes.h"

namespace forebay::front {

/// The document. Sums come from the registry, so that they agree with /metrics.
std::string render_status(const node_state& node, const web_settings& settings, const metrics::registry& in);

/// Value of one label in a sample's `a="x",b="y"`; empty where it is not there.
std::string label_value(std::string_view labels, std::string_view name);

} // namespace forebay::front
