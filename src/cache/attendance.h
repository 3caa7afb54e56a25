// What the tiers ask of the cache while nobody reads. Internal to cache/.
#pragma once

#include <functional>
#include <string_view>

#include "cache/engine.h"

namespace forebay::cache {

/// From now on what memory evicts is offered to the lower tier again, and the lower tier hears which kept records still
/// are, by the namespace's label and the key below it; without `keeps` all that no purge covers. To be called again
/// when `keeps` changes.
void attend_lower(engine& shared, std::function<bool(std::string_view label, std::string_view key)> keeps);
/// Ends both, before the cache is gone.
void leave_lower(engine& shared);

} // namespace forebay::cache
