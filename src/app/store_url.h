// Where the objects of the world are on a node, for the command line.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace forebay::app {

inline constexpr std::string_view default_node_url = "http://127.0.0.1:8080";
inline constexpr std::string_view default_admin_url = "http://127.0.0.1:8081";

/// The target (path and query, percent-encoded) that `url` has on the node at `node_url`:
///   /era5/x, {node_url}/era5/x      the path itself
///   s3://bucket/key, gs://...       /s3/bucket/key, /gs/bucket/key; the key is taken literally and encoded
///   az://account/container/key      /az/account/container/key
///   abfs://container@account.dfs.core.windows.net/key   the same
///   https://host/path?query         /https/host/path?query; encoded already
/// invalid_input says what was expected.
result<std::string> map_to_node(std::string_view url, std::string_view node_url);

/// A node's URL without a slash at its end; invalid_input for what is no "http(s)://host[:port]".
result<std::string> normalise_node_url(std::string_view url);

/// The last segment of a target, decoded: what a download is called. Empty where there is none.
std::string file_name_of(std::string_view target);

} // namespace forebay::app
