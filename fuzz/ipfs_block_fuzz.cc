// Blocks of IPFS trees: no bytes crash their decoder, and what it takes for a file does not contradict itself.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "origin/ipfs/unixfs.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay::origin::ipfs;
  const std::string_view block(reinterpret_cast<const char*>(data), size);
  cid name;
  const auto raw = read_node(name, block);
  if (!raw || raw->length_bytes != size) std::abort();
  name.codec = codec_dag_pb;
  const auto read = read_node(name, block);
  if (!read) return 0;
  if (read->type == node_type::file) {
    if (read->blocks.size() != read->links.size() || read->data.size() > read->length_bytes) std::abort();
    std::uint64_t sum = read->data.size();
    for (const std::uint64_t each : read->blocks) sum += each;
    if (sum != read->length_bytes) std::abort();
  }
  if (read->type == node_type::shard) {
    shard_path path("name");
    for (const link& each : read->links) {
      if (each.name.size() < slot_digits(*read)) std::abort();
    }
    while (const auto slot = path.next(*read)) {
      if (slot->size() != slot_digits(*read)) std::abort();
    }
  }
  return 0;
}
