// What a namespace's cold tier counts.
#pragma once

#include <string_view>

#include "base/metrics.h"

namespace forebay::cache::cold {

/// Series of one namespace, looked up once.
struct place_metrics {
  explicit place_metrics(std::string_view label);

  metrics::counter &read_bytes, &written_bytes, &misses;
  metrics::counter &hits, &gone, &damaged, &failed, &late, &busy;   ///< reads by how they ended
  metrics::counter &dropped_queue, &dropped_away, &dropped_refused; ///< bytes that were not taken, or lost
  metrics::counter &read_errors, &write_errors, &delete_errors, &list_errors;
  metrics::counter &expired, &displaced; ///< packs deleted for age, for room
  metrics::gauge &held_bytes, &packs, &queued_bytes, &up;
};

} // namespace forebay::cache::cold
