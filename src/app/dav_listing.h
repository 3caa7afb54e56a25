// Reading a node's listings (PROPFIND), for the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace forebay::app {

struct dav_entry {
  std::string path; ///< percent-encoded, as in the href; of a collection with a slash at its end
  bool collection = false;
  std::optional<std::uint64_t> length_bytes;
};

/// The members of a multistatus (RFC 4918 §14.16) but for the collection at `self` itself; broken for what is none.
result<std::vector<dav_entry>> parse_listing(std::string_view xml, std::string_view self);

} // namespace forebay::app
