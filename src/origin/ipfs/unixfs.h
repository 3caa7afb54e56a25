// UnixFS version 1 in dag-pb: files, directories and sharded directories as IPFS writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "origin/ipfs/cid.h"

namespace forebay::origin::ipfs {

/// What other programs make and take: blocks of at most 2 MiB; and bounds on what a node may ask of us.
inline constexpr std::size_t block_bytes_max = 2 * 1024 * 1024 + 64 * 1024;
inline constexpr std::size_t links_max = 65'536; ///< of one node
inline constexpr unsigned depth_max = 32;        ///< of a file's tree, or of shards

struct link {
  cid to;
  std::string name;
  std::uint64_t size_bytes = 0; ///< of the whole tree below, as its writer said: never relied on
};

enum class node_type : std::uint8_t { file, directory, shard, symlink };

/// One block of a tree, checked: what it says of itself does not contradict itself.
struct node {
  node_type type = node_type::file;
  std::string data;                  ///< of a file: its bytes that lie here; of a shard: its bit field
  std::uint64_t length_bytes = 0;    ///< of a file: here and below
  std::vector<std::uint64_t> blocks; ///< of a file: the length of each child, in the order of `links`
  std::vector<link> links;
  unsigned fanout = 0; ///< of a shard: a power of two
};

/// The block of a raw or dag-pb CID, whose hash has been checked already. `why` of a failure is a sentence.
result<node> read_node(const cid& name, std::string_view block);

/// The name in a shard's link is a slot in hexadecimal, and the entry's name behind it unless the link leads to another
/// shard. `slot_digits`: of this shard's fan-out.
unsigned slot_digits(const node& shard);

/// Bits of the hash by which a sharded directory places a name, from the front.
class shard_path {
public:
  explicit shard_path(std::string_view name);
  /// The slot at the next level, as in link names; nothing when the hash is used up.
  std::optional<std::string> next(const node& shard);

private:
  std::uint64_t hash_;
  unsigned used_bits_ = 0;
};

} // namespace forebay::origin::ipfs
