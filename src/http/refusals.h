// What HTTP/1.1 and HTTP/2 say and count alike when they refuse a request.
#pragma once

#include "base/result.h"

namespace forebay::http {

/// Counts the limit behind the refusal of a request's head, where there is one.
void count_refusal(unsigned status, bool too_many_fields);

/// What a client is told whose request's body was at fault: it came too slowly (408), was too long (413) or malformed.
/// Where it was too long that is counted; what was slow is counted where it is waited for.
error refuse_body(unsigned status);

/// Counts a connection that is ended because nothing was asked on it for so long.
void count_idle();

/// Counts a wait for a body that brought nothing, or too little.
void count_slow_body(bool moves);

} // namespace forebay::http
