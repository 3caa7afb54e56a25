// The other objects that the answer to a write names.
#pragma once

#include <vector>

#include "http/server.h"
#include "space/space.h"

namespace forebay::front {

/// What Location and Content-Location of a write's answer name, of the same host alone (RFC 9111 §4.4): below the
/// namespace's first origin as that wrote it, or at this node as the reader sees it. `asked` is the write.
std::vector<space::placement> named_objects(const http::request& asked, const space::placement& where,
                                            const http::header_table& answer, const space::space_map& spaces);

} // namespace forebay::front
