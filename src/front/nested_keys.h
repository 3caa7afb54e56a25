// Listings of a namespace in which others lie that are not public: what is theirs is left out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "origin/source.h"
#include "space/space.h"

namespace forebay::front {

std::vector<origin::list_entry> without_hidden(const space::space_map& spaces, const space::name_space& space,
                                               const std::vector<origin::list_entry>& listed);

/// Nothing for a key that is shown. For another one: a name behind all that is left out with it, for a listing to go on
/// from, and which tells no more than where the other namespace begins.
std::optional<std::string> behind_hidden(const space::space_map& spaces, const space::name_space& space,
                                         const std::string& key);

} // namespace forebay::front
