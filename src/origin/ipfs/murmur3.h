// MurmurHash3 x64-128, of which sharded directories use the first half.
#pragma once

#include <cstdint>
#include <string_view>

namespace forebay::origin::ipfs {

std::uint64_t murmur3_x64_64(std::string_view bytes) noexcept;

} // namespace forebay::origin::ipfs
