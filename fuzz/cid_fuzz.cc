// CIDs as readers and operators write them: one canonical spelling, which reads back as the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "origin/ipfs/cid.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay::origin::ipfs;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto made = parse_cid(text);
  if (!made) return 0;
  const auto back = parse_cid(made->to_string());
  if (!back || *back != *made || back->to_string() != made->to_string()) std::abort();
  if (made->hash == hash_identity && !made->names(made->digest)) std::abort();
  return 0;
}
