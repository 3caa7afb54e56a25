// Keys: SHA-256 for identities (an attacker chooses names), XXH3 for placement and blocks.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace forebay {

/// 128 bits, compared whole. `object_key` and `version_key` are made of it.
struct key128 {
  std::array<std::uint8_t, 16> bytes{};
  friend auto operator<=>(const key128&, const key128&) = default;
  /// The first 64 bits: already uniform, so a hash table needs no more.
  std::uint64_t prefix() const noexcept {
    std::uint64_t value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
};

/// SHA-256 of `text` cut to 128 bits.
key128 sha256_128(std::string_view text) noexcept;
/// Whole SHA-256 digest, and HMAC-SHA256 (SigV4, signed URLs).
std::array<std::uint8_t, 32> sha256(std::string_view text) noexcept;
std::array<std::uint8_t, 32> hmac_sha256(std::span<const std::uint8_t> secret, std::string_view text) noexcept;
/// Lower-case hexadecimal.
std::string hex(std::span<const std::uint8_t> bytes);
/// XXH3-64 of `bytes`.
std::uint64_t xxh3_64(std::span<const std::byte> bytes) noexcept;
/// Equality whose time does not depend on where the difference lies.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

struct key128_hash {
  std::size_t operator()(const key128& key) const noexcept { return key.prefix(); }
};

} // namespace forebay
