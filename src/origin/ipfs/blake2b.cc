#include "origin/ipfs/blake2b.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace forebay::origin::ipfs {
namespace {

constexpr std::size_t block_bytes = 128;

constexpr std::array<std::uint64_t, 8> initial = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                                  0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                                  0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

constexpr std::array<std::array<std::uint8_t, 16>, 10> sigma = {{
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
}};

using words = std::array<std::uint64_t, 16>;

void mix(words& v, std::size_t a, std::size_t b, std::size_t c, std::size_t d, std::uint64_t x, std::uint64_t y) {
  v[a] += v[b] + x;
  v[d] = std::rotr(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = std::rotr(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 63);
}

std::uint64_t little_endian(const char* at) {
  std::uint64_t word = 0;
  for (unsigned i = 0; i < 8; ++i) word |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return word;
}

/// `counted`: bytes up to the end of this block; messages stay below 2^64.
void compress(std::array<std::uint64_t, 8>& state, const char* block, std::uint64_t counted, bool last) {
  words message, v;
  for (std::size_t i = 0; i < 16; ++i) message[i] = little_endian(block + 8 * i);
  std::copy(state.begin(), state.end(), v.begin());
  std::copy(initial.begin(), initial.end(), v.begin() + 8);
  v[12] ^= counted;
  if (last) v[14] = ~v[14];
  for (std::size_t round = 0; round < 12; ++round) {
    const auto& s = sigma[round % sigma.size()];
    for (std::size_t i = 0; i < 4; ++i) mix(v, i, 4 + i, 8 + i, 12 + i, message[s[2 * i]], message[s[2 * i + 1]]);
    for (std::size_t i = 0; i < 4; ++i) {
      mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, message[s[8 + 2 * i]], message[s[9 + 2 * i]]);
    }
  }
  for (std::size_t i = 0; i < 8; ++i) state[i] ^= v[i] ^ v[i + 8];
}

} // namespace

std::array<std::uint8_t, 32> blake2b_256(std::string_view bytes) noexcept {
  std::array<std::uint8_t, 32> digest{};
  auto state = initial;
  state[0] ^= 0x01010000 ^ digest.size(); // no key, fan-out and depth 1, this length of digest
  std::uint64_t counted = 0;
  while (bytes.size() > block_bytes) {
    counted += block_bytes;
    compress(state, bytes.data(), counted, false);
    bytes.remove_prefix(block_bytes);
  }
  std::array<char, block_bytes> rest{};
  std::copy(bytes.begin(), bytes.end(), rest.begin());
  compress(state, rest.data(), counted + bytes.size(), true);
  for (std::size_t i = 0; i < digest.size(); ++i) digest[i] = static_cast<std::uint8_t>(state[i / 8] >> (8 * (i % 8)));
  return digest;
}

} // namespace forebay::origin::ipfs
