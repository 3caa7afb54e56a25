// What a write through this node changed is forgotten.
#pragma once

#include "cache/cache.h"
#include "space/space.h"

namespace forebay::front {

/// Forgets the object, under whatever credentials and through whichever namespace of `spaces` it was read, and the
/// version that the query names. What could not be made durable is logged.
net::task<void> forget_written(cache::content_cache& cache, std::shared_ptr<const space::space_map> spaces,
                               space::placement where);

/// Whether a store's answer to a write says that nothing changed. "Not found" is none of these: what this node holds is
/// then not there any more.
bool left_untouched(unsigned status) noexcept;

} // namespace forebay::front
