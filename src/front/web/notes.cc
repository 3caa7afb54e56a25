#include "front/web/notes.h"

namespace forebay::front {

std::string_view exchange_notes::outcome() const noexcept {
  if (failure && !report.negative) return "error";
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
