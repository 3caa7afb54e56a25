// What limits refuse, counted by their names.
#pragma once

#include "base/metrics.h"

namespace forebay::metrics {

/// The series of `forebay_limit_refused_total` for `limits.NAME`. To be looked up once where it is on a busy path.
counter& refused_by(std::string_view limit);

} // namespace forebay::metrics
