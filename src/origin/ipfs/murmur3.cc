#include "origin/ipfs/murmur3.h"

#include <bit>

namespace forebay::origin::ipfs {
namespace {

constexpr std::uint64_t c1 = 0x87c37b91114253d5, c2 = 0x4cf5ad432745937f;

std::uint64_t finish(std::uint64_t k) {
  k = (k ^ k >> 33) * 0xff51afd7ed558ccd;
  k = (k ^ k >> 33) * 0xc4ceb9fe1a85ec53;
  return k ^ k >> 33;
}

/// Up to eight bytes, the first the least.
std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 8; ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return word;
}

} // namespace

std::uint64_t murmur3_x64_64(std::string_view bytes) noexcept {
  std::uint64_t h1 = 0, h2 = 0;
  const std::size_t length = bytes.size();
  for (; bytes.size() >= 16; bytes.remove_prefix(16)) {
    h1 ^= std::rotl(little_endian(bytes) * c1, 31) * c2;
    h1 = (std::rotl(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= std::rotl(little_endian(bytes.substr(8)) * c2, 33) * c1;
    h2 = (std::rotl(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  if (bytes.size() > 8) h2 ^= std::rotl(little_endian(bytes.substr(8)) * c2, 33) * c1;
  if (!bytes.empty()) h1 ^= std::rotl(little_endian(bytes) * c1, 31) * c2;
  h1 ^= length;
  h2 ^= length;
  h1 += h2;
  h2 += h1;
  h1 = finish(h1);
  h2 = finish(h2);
  return h1 + h2;
}

} // namespace forebay::origin::ipfs
