#include "base/limit_counter.h"

#include <array>

namespace forebay::metrics {

counter& refused_by(std::string_view limit) {
  const std::array<label, 1> labels{{{"limit", limit}}};
  return global().get_counter("forebay_limit_refused_total", "What a named limit refused or delayed.", labels);
}

} // namespace forebay::metrics
