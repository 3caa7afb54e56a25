// Names of files that are on their way into a tree: never keys, never listed.
#pragma once

#include <string_view>

namespace forebay::origin::file {

inline constexpr std::string_view upload_prefix = ".forebay-upload-";

inline bool is_upload_name(std::string_view name) noexcept { return name.starts_with(upload_prefix); }

} // namespace forebay::origin::file
