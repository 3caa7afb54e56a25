#include "base/hash.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

namespace forebay {
namespace {

// OpenSSL refuses a digest only when its provider is missing or memory is out; no caller could go on.
[[noreturn]] void give_up(const char* what) noexcept {
  std::fprintf(stderr, "forebay: OpenSSL cannot compute %s\n", what);
  std::abort();
}

// Fetched once: the implicit fetch behind EVP_sha256() costs more than hashing a short name.
const EVP_MD* sha256_method() noexcept {
  static EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (method == nullptr) give_up("SHA-256");
  return method;
}

struct context_deleter {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

} // namespace

std::array<std::uint8_t, 32> sha256(std::string_view text) noexcept {
  thread_local const std::unique_ptr<EVP_MD_CTX, context_deleter> context(EVP_MD_CTX_new());
  std::array<std::uint8_t, 32> digest{};
  unsigned length = 0;
  if (!context || EVP_DigestInit_ex(context.get(), sha256_method(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), text.data(), text.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1 || length != digest.size()) {
    give_up("SHA-256");
  }
  return digest;
}

key128 sha256_128(std::string_view text) noexcept {
  const auto digest = sha256(text);
  key128 key;
  std::memcpy(key.bytes.data(), digest.data(), key.bytes.size());
  return key;
}

std::array<std::uint8_t, 32> hmac_sha256(std::span<const std::uint8_t> secret, std::string_view text) noexcept {
  // HMAC() takes a null key as "the key of last time"; an empty secret is still a key.
  static constexpr std::uint8_t empty_secret = 0;
  std::array<std::uint8_t, 32> digest{};
  unsigned length = 0;
  const void* key = secret.empty() ? &empty_secret : secret.data();
  if (HMAC(sha256_method(), key, static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), digest.data(), &length) == nullptr ||
      length != digest.size()) {
    give_up("HMAC-SHA256");
  }
  return digest;
}

std::string hex(std::span<const std::uint8_t> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

std::uint64_t xxh3_64(std::span<const std::byte> bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  // Digests of equal length are compared, so that not even the secret's length shows.
  const auto da = sha256(a);
  const auto db = sha256(b);
  unsigned difference = 0;
  for (std::size_t i = 0; i < da.size(); ++i) difference |= static_cast<unsigned>(da[i] ^ db[i]);
  return difference == 0 && a.size() == b.size();
}

} // namespace forebay
