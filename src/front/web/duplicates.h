// Where else an object can be had, for clients that read from several places (RFC 6249).
#pragma once

#include <string>

#include "space/space.h"

namespace forebay::front {

/// The value of Link for the object at `where`: `<URL>; rel=duplicate; pri=1`, the best first. Empty where the space
/// tells nothing, and for what a query selects, which other places need not know. Pure.
std::string links_to_duplicates(const space::placement& where);

} // namespace forebay::front
