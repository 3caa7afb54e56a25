#include "base/base64.h"

#include <cstdint>

namespace forebay {
namespace {

constexpr std::string_view standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view for_urls = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view bytes, std::string_view alphabet, bool padded) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      if (at + i <= bytes.size())
        out += alphabet[group >> (18 - 6 * i) & 63];
      else if (padded)
        out += '=';
    }
  }
  return out;
}

} // namespace

std::string base64_encode(std::string_view bytes) { return encode(bytes, standard, true); }
std::string base64url_encode(std::string_view bytes) { return encode(bytes, for_urls, false); }

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string raw;
  std::uint32_t bits = 0;
  unsigned count = 0;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<std::uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<std::uint32_t>(c - '0') + 52;
    } else if (c == '+' || c == '/') {
      value = c == '+' ? 62 : 63;
    } else {
      return std::nullopt;
    }
    bits = (bits << 6) | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      raw.push_back(static_cast<char>(bits >> count));
    }
  }
  return raw;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string usual;
  for (const char c : text) {
    if (c == '+' || c == '/' || c == '=') return std::nullopt;
    usual.push_back(c == '-' ? '+' : c == '_' ? '/' : c);
  }
  usual.resize((usual.size() + 3) / 4 * 4, '=');
  return base64_decode(usual);
}

} // namespace forebay
