// Of measured values, the one below which a share of them lies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

/// `sorted`: ascending; `share` in [0, 1]. 0 where there are none.
inline double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}
