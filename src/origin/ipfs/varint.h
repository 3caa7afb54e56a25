// Unsigned varints as multiformats and protocol buffers write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::origin::ipfs {

/// Takes a varint off the front of `bytes`; nothing when it is cut short or beyond 64 bits.
inline std::optional<std::uint64_t> take_varint(std::string_view& bytes) noexcept {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (i == 9 && byte > 1) return std::nullopt;
    value |= std::uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

inline void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

} // namespace forebay::origin::ipfs
