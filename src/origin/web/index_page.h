// Directory listings that web servers write as HTML pages.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "origin/source.h"

namespace forebay::origin::web {

/// The direct children that an index page links to (Apache, nginx autoindex, lighttpd, Caddy, Python's
/// http.server): keys are names below the directory, percent-decoded once, directories with '/'. Lengths where the
/// page gives them to the byte. Nothing when the page is no such listing: a page that merely holds links must
/// not pass for the content of a directory. `url` is the page's own.
std::optional<std::vector<list_entry>> parse_index_page(std::string_view html, std::string_view url);

} // namespace forebay::origin::web
