// Writes of the data listener: what of them the origin gets to see, and who may send them.
#pragma once

#include "front/notes.h"
#include "http/message.h"
#include "origin/source.h"

namespace forebay::front {

/// Who is let in by a right of his own may write by that alone. In a public namespace nobody has one: where the origin
/// would take writes for the operator's (the node shows credentials there), only `public_write` lets them pass.
result<void> check_writer(const space::placement& where);

/// The failure by which a write of an object is refused: `check_writer`'s, and a page of another site must not write
/// through its reader's browser, copies would name other objects of the store, and parameters ask for more than the
/// object.
result<void> check_write(const http::request& asked, const space::placement& where);

/// Whether a field of the request names another object of the store, to be copied or moved from.
bool asks_for_copy(const http::header_table& fields);

/// The fields of a write for its origin: what describes the object, conditions, the path of the request. Everything
/// else would be an order to the store (grants, copies, manifests, other methods), or shows who the client is.
http::header_table passed_fields(const http::header_table& from);

/// What of the origin's answer goes back: no address of the origin's, which may be signed. `broken` for a redirect.
result<void> check_written(http::response_head& head, const std::string& source);

} // namespace forebay::front
