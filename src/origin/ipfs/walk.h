// Finding what a path leads to, and reading a range of it, block by block.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "http/client.h"
#include "origin/ipfs/gateways.h"

namespace forebay::origin::ipfs {

/// A block that was fetched, verified and read.
struct placed_node {
  cid name;
  node content;
};

net::task<result<placed_node>> fetch_node(std::shared_ptr<gateways> from, cid name, net::deadline until);

/// Follows `path` (segments between '/') from `root`. not_found where a directory that was verified has no such entry.
net::task<result<placed_node>> resolve_path(std::shared_ptr<gateways> from, cid root, std::string path,
                                            net::deadline until);

/// All entries of a directory, its shards put together; the names are the links' names.
net::task<result<std::vector<link>>> directory_entries(std::shared_ptr<gateways> from, placed_node directory,
                                                       net::deadline until);

/// The bytes `range` of a file. Blocks outside the range are not asked for; some of those that come next are fetched
/// while a reader takes the one before.
std::unique_ptr<http::client_body> make_file_body(std::shared_ptr<gateways> from, placed_node file, byte_range range,
                                                  std::chrono::milliseconds block_timeout);

} // namespace forebay::origin::ipfs
