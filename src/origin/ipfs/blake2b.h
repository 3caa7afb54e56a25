// BLAKE2b with a digest of 256 bits (RFC 7693). OpenSSL 3.0 has the 512-bit variant alone, and the length of the digest
// is part of the function.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace forebay::origin::ipfs {

std::array<std::uint8_t, 32> blake2b_256(std::string_view bytes) noexcept;

} // namespace forebay::origin::ipfs
