#include "front/notes.h"

#include "front/problem.h"

namespace forebay::front {

std::string_view exchange_notes::outcome() const noexcept {
  // An object that is not there, or a range beyond it, is an answer like any other.
  if (failure && !report.negative && status_of(*failure) >= 500) return "error";
  return looked_up ? report.outcome() : "local";
}

double exchange_notes::egress_usd_per_gb() const noexcept {
  if (space == nullptr || space->origins.empty()) return 0;
  for (const auto& origin : space->origins) {
    if (origin->name() == report.origin) return origin->egress_usd_per_gb();
  }
  return space->origins.front()->egress_usd_per_gb();
}

} // namespace forebay::front
