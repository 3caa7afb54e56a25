// Sizes that a store does not list: those of index pages.
#pragma once

#include "base/result.h"
#include "front/s3/list_objects.h"
#include "front/s3/s3_call.h"
#include "net/task.h"

namespace forebay::front::s3 {

/// How many objects of a page are asked about at once.
inline constexpr std::size_t sizes_at_once = 16;

/// Asks for the heads of those objects of the page whose size is not known,
/// through the cache: clients take an entry without a Size for a defect. What
/// turns out not to be there leaves the page; any other failure is that of the
/// listing. A length that nobody knows stays out.
net::task<result<void>> fill_sizes(s3_call& call, list_page& page);

} // namespace forebay::front::s3
