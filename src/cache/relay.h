// Answers that pass through the node without becoming a version. Internal to cache/.
#pragma once

#include <memory>
#include <optional>

#include "cache/report.h"
#include "http/client.h"
#include "http/message.h"
#include "origin/source.h"

namespace forebay::cache {

/// `answer` as a response to a reader who asked for `range` (if one): the surplus that grains added is cut away.
/// range_unsatisfiable when nothing else is left of it.
result<http::response> relay(origin::read_answer answer, std::optional<http::range_spec> range, bool head_only,
                             lookup_report* report);

} // namespace forebay::cache
