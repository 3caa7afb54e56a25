// What a failure is to a client.
#pragma once

#include "base/result.h"

namespace forebay::http {

/// The status of a body that fails before its first byte. Never a 4xx: a client must not take a failure for a
/// fact about the object.
unsigned failure_status(error_kind kind) noexcept;

} // namespace forebay::http
