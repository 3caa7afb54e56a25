// The body of POST /purge.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace forebay::front {

/// What to forget. Paths are as readers ask for them (percent-encoded).
struct purge_request {
  enum class scope { object, prefix, name_space, tag };
  scope what = scope::object;
  std::string value;
};

/// Reads {"path": "/era5/x"}, {"prefix": "/era5/a/"}, {"namespace": "/era5"} or {"tag": "..."}: exactly one of them,
/// a string that is not empty. invalid_input says what was expected.
result<purge_request> parse_purge(std::string_view json);

std::string_view to_string(purge_request::scope what) noexcept; ///< "path", "prefix", "namespace", "tag"

} // namespace forebay::front
