#include "app/zarr_keys.h"

#include <nlohmann/json.hpp>

#include "origin/json_text.h"

namespace forebay::app {
namespace {

using nlohmann::json;

tl::unexpected<error> bad_metadata(std::string context) {
  return fail(error_kind::invalid_input, "Zarr metadata", std::move(context));
}

std::string join(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : std::string(folder) + "/" + std::string(name);
}

/// Chunks along each dimension: shape / chunk, rounded up.
bool read_grid(const json& shape, const json& chunk_shape, std::vector<std::uint64_t>& chunks) {
  if (!shape.is_array() || !chunk_shape.is_array() || shape.size() != chunk_shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!shape[i].is_number_unsigned() || !chunk_shape[i].is_number_unsigned()) return false;
    const auto length = shape[i].get<std::uint64_t>(), chunk = chunk_shape[i].get<std::uint64_t>();
    if (chunk == 0) return false;
    chunks.push_back(length / chunk + (length % chunk != 0 ? 1 : 0));
  }
  return true;
}

json value_of(const json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found == object.end() ? json() : *found;
}

bool read_v2_array(const json& document, std::string path, zarr_store& store) {
  zarr_array array;
  array.path = std::move(path);
  if (!read_grid(value_of(document, "shape"), value_of(document, "chunks"), array.chunks)) return false;
  const json separator = value_of(document, "dimension_separator");
  if (separator.is_string()) array.separator = separator.get<std::string>();
  store.arrays.push_back(std::move(array));
  return true;
}

bool read_v3_array(const json& document, std::string path, zarr_store& store) {
  zarr_array array;
  array.path = std::move(path);
  const json grid = value_of(document, "chunk_grid"), encoding = value_of(document, "chunk_key_encoding");
  const json chunk_shape = value_of(value_of(grid, "configuration"), "chunk_shape");
  if (value_of(grid, "name") != "regular" || !read_grid(value_of(document, "shape"), chunk_shape, array.chunks))
    return false;
  array.prefixed = value_of(encoding, "name") != "v2";
  array.separator = array.prefixed ? "/" : ".";
  const json separator = value_of(value_of(encoding, "configuration"), "separator");
  if (separator.is_string()) array.separator = separator.get<std::string>();
  store.arrays.push_back(std::move(array));
  return true;
}

result<zarr_store> parse_v2_consolidated(const json& document) {
  const json members = value_of(document, "metadata");
  if (!members.is_object()) return bad_metadata(".zmetadata has no \"metadata\"");
  zarr_store store;
  store.metadata_keys.push_back(".zmetadata");
  constexpr std::string_view array_name = ".zarray";
  for (const auto& [key, value] : members.items()) {
    store.metadata_keys.push_back(key);
    const bool is_array = key == array_name || key.ends_with("/.zarray");
    if (!is_array) continue;
    const std::string path = key == array_name ? "" : key.substr(0, key.size() - array_name.size() - 1);
    if (!read_v2_array(value, path, store)) return bad_metadata("the shape or chunks of " + key + " make no sense");
  }
  return store;
}

result<zarr_store> parse_v3(const json& document) {
  zarr_store store;
  store.metadata_keys.push_back("zarr.json");
  if (value_of(document, "node_type") == "array") {
    if (!read_v3_array(document, "", store)) return bad_metadata("the shape or chunk grid makes no sense");
    return store;
  }
  const json members = value_of(value_of(document, "consolidated_metadata"), "metadata");
  if (!members.is_object()) return bad_metadata("zarr.json is of a group without consolidated metadata");
  for (const auto& [path, value] : members.items()) {
    store.metadata_keys.push_back(join(path, "zarr.json"));
    if (value_of(value, "node_type") == "array" && !read_v3_array(value, path, store))
      return bad_metadata("the shape or chunk grid of " + path + " makes no sense");
  }
  return store;
}

} // namespace

result<zarr_store> parse_zarr_metadata(std::string_view name, std::string_view text) {
  const json document = origin::parse_json(text);
  if (!document.is_object()) return bad_metadata(std::string(name) + " is no JSON object");
  if (name == ".zmetadata") return parse_v2_consolidated(document);
  if (name == "zarr.json") return parse_v3(document);
  zarr_store store;
  store.metadata_keys.push_back(".zarray");
  if (name != ".zarray" || !read_v2_array(document, "", store))
    return bad_metadata("the shape or chunks make no sense");
  return store;
}

void each_chunk_key(const zarr_array& array, const std::function<void(std::string)>& visit) {
  if (chunk_count(array) == 0) return;
  std::vector<std::uint64_t> at(array.chunks.size(), 0);
  for (;;) {
    std::string key = array.prefixed ? "c" : "";
    for (std::size_t i = 0; i < at.size(); ++i) {
      if (i > 0 || array.prefixed) key += array.separator;
      key += std::to_string(at[i]);
    }
    if (at.empty() && !array.prefixed) key = "0"; // the one chunk of a scalar (v2)
    visit(join(array.path, key));
    std::size_t dimension = at.size();
    while (dimension > 0 && ++at[dimension - 1] == array.chunks[dimension - 1]) at[--dimension] = 0;
    if (dimension == 0) return;
  }
}

std::uint64_t chunk_count(const zarr_array& array) noexcept {
  std::uint64_t count = 1;
  for (const std::uint64_t along : array.chunks) {
    if (along != 0 && count > UINT64_MAX / along) return UINT64_MAX;
    count *= along;
  }
  return count;
}

} // namespace forebay::app
