// Parameters of writes: which operation they ask for, and whether it is one that we know.
#pragma once

#include <optional>

#include "front/s3/s3_error.h"
#include "front/s3/s3_request.h"

namespace forebay::front::s3 {

/// Why the parameters of a write are refused: 501 for those of an operation that is not ours (without them it would
/// be a plain PUT or DELETE, which changes the object), 400 for half of a multipart upload's. Nothing where all is
/// well.
std::optional<s3_failure> refuse_parameters(std::string_view method, const s3_request& what);

} // namespace forebay::front::s3
