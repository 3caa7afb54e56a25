// The keys of a Zarr store from its metadata, where nobody can list it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace forebay::app {

/// An array's chunks, as far as its metadata tell; most stores leave some of them out (fill value).
struct zarr_array {
  std::string path;                  ///< below the store, "" or "temperature"
  std::vector<std::uint64_t> chunks; ///< along each dimension
  std::string separator = ".";
  bool prefixed = false; ///< keys begin with "c" (v3's default encoding)
};

/// What a store's metadata document says: the keys of all metadata, and the arrays.
struct zarr_store {
  std::vector<std::string> metadata_keys;
  std::vector<zarr_array> arrays;
};

/// Reads `.zmetadata` or `.zarray` (v2), or `zarr.json` (v3: one array, or a group with consolidated metadata);
/// `name` says which. invalid_input where the document is none of them or has impossible shapes.
result<zarr_store> parse_zarr_metadata(std::string_view name, std::string_view json);

/// Calls `visit` with the key of every chunk of an array, in order.
void each_chunk_key(const zarr_array& array, const std::function<void(std::string)>& visit);
std::uint64_t chunk_count(const zarr_array& array) noexcept; ///< saturated

} // namespace forebay::app
