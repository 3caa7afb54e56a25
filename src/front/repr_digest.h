// Repr-Digest and Content-Digest for readers who want them (RFC 9530).
#pragma once

#include "cache/stored_head.h"
#include "http/message.h"

namespace forebay::front {

/// Adds to `answer`, a 200 or 206 of `head`, the digest that `request` wants most (Want-Repr-Digest), of the checksums
/// that the store gave; to a whole one what Want-Content-Digest wants, too: its content is the representation. Nothing
/// where none of what is wanted is known, or the store says one itself. Pure.
void add_wanted_digests(http::response_head& answer, const http::header_table& request, const cache::stored_head& head);

} // namespace forebay::front
