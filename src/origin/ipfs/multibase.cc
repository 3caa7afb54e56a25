#include "origin/ipfs/multibase.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace forebay::origin::ipfs {
namespace {

/// A CID of 128 bytes has 256 characters in base16; longer texts are none, and base 58 costs the square of its length.
constexpr std::size_t text_bytes_max = 300;

constexpr std::string_view base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::string_view base36 = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view base32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view base16 = "0123456789abcdef";

/// Bases that are powers of two: bits from the front; what is left over must be zero, and less than a digit.
std::optional<std::string> decode_bits(std::string_view text, std::string_view alphabet, unsigned bits_per_digit) {
  std::string out;
  unsigned held = 0, bits = 0;
  for (const char c : text) {
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    held = held << bits_per_digit | static_cast<unsigned>(digit);
    bits += bits_per_digit;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(held >> bits & 0xff);
    held &= (1u << bits) - 1;
  }
  if (held != 0 || bits >= bits_per_digit) return std::nullopt;
  return out;
}

/// Other bases: one big number; each zero digit in front is a zero byte.
std::optional<std::string> decode_number(std::string_view text, std::string_view alphabet) {
  std::vector<std::uint8_t> little; // least significant byte first
  for (const char c : text) {
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    unsigned carry = static_cast<unsigned>(digit);
    for (std::uint8_t& byte : little) {
      carry += byte * static_cast<unsigned>(alphabet.size());
      byte = static_cast<std::uint8_t>(carry & 0xff);
      carry >>= 8;
    }
    for (; carry != 0; carry >>= 8) little.push_back(static_cast<std::uint8_t>(carry & 0xff));
  }
  const std::size_t zeros = std::min(text.find_first_not_of(alphabet.front()), text.size());
  std::string out(zeros, '\0');
  out.append(little.rbegin(), little.rend());
  return out;
}

bool has_letter_of_other_case(std::string_view text, bool upper) {
  return std::any_of(text.begin(), text.end(),
                     [upper](char c) { return upper ? (c >= 'a' && c <= 'z') : (c >= 'A' && c <= 'Z'); });
}

} // namespace

std::optional<std::string> base58_decode(std::string_view text) {
  if (text.size() > text_bytes_max) return std::nullopt;
  return decode_number(text, base58);
}

std::optional<std::string> multibase_decode(std::string_view text) {
  if (text.size() < 2 || text.size() > text_bytes_max) return std::nullopt;
  const char prefix = text.front();
  text.remove_prefix(1);
  if (prefix == 'z') return decode_number(text, base58);
  const bool upper = prefix == 'B' || prefix == 'K' || prefix == 'F';
  if (has_letter_of_other_case(text, upper)) return std::nullopt;
  const std::string lower = to_lower(text);
  switch (prefix) {
  case 'b':
  case 'B': return decode_bits(lower, base32, 5);
  case 'f':
  case 'F': return decode_bits(lower, base16, 4);
  case 'k':
  case 'K': return decode_number(lower, base36);
  default: return std::nullopt;
  }
}

std::string multibase_base32(std::string_view bytes) {
  std::string out = "b";
  unsigned held = 0, bits = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 5; bits -= 5) out += base32[held >> (bits - 5) & 31];
    held &= (1u << bits) - 1;
  }
  if (bits > 0) out += base32[held << (5 - bits) & 31];
  return out;
}

} // namespace forebay::origin::ipfs
