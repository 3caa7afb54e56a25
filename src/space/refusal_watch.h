// What a store says of a reader's token while it sends bytes, told to those who remember what it said before.
#pragma once

#include <memory>

#include "origin/source.h"
#include "space/access.h"

namespace forebay::space {

/// `inner`, which carries the tokens of readers. Where it refuses one a read or a listing, `access` forgets that this
/// token was let in: what is held is then given to nobody on the strength of that answer.
std::shared_ptr<origin::source> watch_refusals(std::shared_ptr<origin::source> inner,
                                               std::shared_ptr<const origin_access> access);

} // namespace forebay::space
