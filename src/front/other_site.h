// Pages of other sites in a reader's browser: they act with what the browser is let in by. Pure.
#pragma once

#include "http/message.h"

namespace forebay::front {

/// Whether a page of another site sends the request: browsers say which page did (Origin, Fetch §3.1).
bool is_of_other_site(const http::header_table& fields);

} // namespace forebay::front
