// Directory listings of THREDDS data servers: catalog.xml.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "origin/source.h"

namespace forebay::origin::web {

/// The URL of the catalogue of a directory below ".../fileServer/...", which lies below ".../catalog/..."; nothing for
/// other URLs. `directory` ends in '/'.
std::optional<std::string> thredds_catalog_url(std::string_view directory);

/// The direct children that a catalogue names: data sets by the last segment of their urlPath, catalogues below by the
/// directory of their href. Keys are names below the directory. Nothing when the text is no catalogue.
std::optional<std::vector<list_entry>> parse_thredds_catalog(std::string_view xml);

} // namespace forebay::origin::web
