#include "origin/checksum.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <openssl/evp.h>
#include <stdexcept>

#include "base/base64.h"
#include "base/text.h"

namespace forebay::origin {
namespace {

/// Reflected polynomials: CRC-32 (IEEE 802.3), CRC-32C (RFC 3720), CRC-64/NVME (NVM Express base specification).
constexpr std::uint64_t crc32_polynomial = 0xedb88320, crc32c_polynomial = 0x82f63b78,
                        crc64nvme_polynomial = 0x9a6c9329ac4bc9b5;

/// A reflected CRC, eight bytes at a step: table[k] is the CRC of a byte that k zero bytes follow.
struct crc_tables {
  explicit crc_tables(std::uint64_t polynomial) {
    for (std::uint64_t i = 0; i < 256; ++i) {
      std::uint64_t entry = i;
      for (int bit = 0; bit < 8; ++bit) entry = (entry & 1) != 0 ? (entry >> 1) ^ polynomial : entry >> 1;
      of[0][i] = entry;
    }
    for (std::size_t k = 1; k < of.size(); ++k)
      for (std::size_t i = 0; i < 256; ++i) of[k][i] = of[0][of[k - 1][i] & 0xff] ^ (of[k - 1][i] >> 8);
  }
  std::array<std::array<std::uint64_t, 256>, 8> of{};
};

std::uint64_t step_bytes(const crc_tables& tables, std::uint64_t state, std::span<const std::byte> bytes) {
  const auto& of = tables.of;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof word); // little-endian: amd64 and arm64
    state ^= word;
    state = of[7][state & 0xff] ^ of[6][state >> 8 & 0xff] ^ of[5][state >> 16 & 0xff] ^ of[4][state >> 24 & 0xff] ^
            of[3][state >> 32 & 0xff] ^ of[2][state >> 40 & 0xff] ^ of[1][state >> 48 & 0xff] ^ of[0][state >> 56];
  }
  for (const std::byte one : bytes) state = of[0][(state ^ std::to_integer<std::uint64_t>(one)) & 0xff] ^ (state >> 8);
  return state;
}

#if defined(__x86_64__)
/// The processor's own instruction, some ten times as fast; only where it has it.
__attribute__((target("sse4.2"))) std::uint64_t step_crc32c(std::uint64_t state, std::span<const std::byte> bytes) {
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof word);
    state = __builtin_ia32_crc32di(state, word);
  }
  for (const std::byte one : bytes)
    state = __builtin_ia32_crc32qi(static_cast<unsigned>(state), std::to_integer<unsigned char>(one));
  return state;
}
bool has_crc32c() { return __builtin_cpu_supports("sse4.2") != 0; }
#else
std::uint64_t step_crc32c(std::uint64_t state, std::span<const std::byte>) { return state; }
bool has_crc32c() { return false; }
#endif

class crc_digester final : public digester {
public:
  crc_digester(const crc_tables& tables, unsigned bits, bool by_processor = false)
      : tables_(tables),
        bits_(bits),
        mask_(bits == 64 ? ~0ull : (1ull << bits) - 1),
        state_(mask_),
        by_processor_(by_processor) {}
  void update(std::span<const std::byte> bytes) override {
    state_ = by_processor_ ? step_crc32c(state_, bytes) : step_bytes(tables_, state_, bytes);
  }
  std::string finish() override {
    const std::uint64_t value = state_ ^ mask_;
    std::string raw;
    for (unsigned shift = bits_; shift > 0; shift -= 8) raw.push_back(static_cast<char>(value >> (shift - 8)));
    return raw;
  }

private:
  const crc_tables& tables_;
  unsigned bits_;
  std::uint64_t mask_, state_;
  bool by_processor_;
};

const crc_tables& crc32_tables() {
  static const crc_tables one(crc32_polynomial);
  return one;
}
const crc_tables& crc32c_tables() {
  static const crc_tables one(crc32c_polynomial);
  return one;
}
const crc_tables& crc64nvme_tables() {
  static const crc_tables one(crc64nvme_polynomial);
  return one;
}

class evp_digester final : public digester {
public:
  explicit evp_digester(const EVP_MD* kind) : context_(EVP_MD_CTX_new()) {
    if (context_ == nullptr || EVP_DigestInit_ex(context_, kind, nullptr) != 1)
      throw std::runtime_error("OpenSSL cannot compute this digest");
  }
  ~evp_digester() override { EVP_MD_CTX_free(context_); }
  evp_digester(const evp_digester&) = delete;
  evp_digester& operator=(const evp_digester&) = delete;
  void update(std::span<const std::byte> bytes) override { EVP_DigestUpdate(context_, bytes.data(), bytes.size()); }
  std::string finish() override {
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw;
    unsigned length = 0;
    EVP_DigestFinal_ex(context_, raw.data(), &length);
    return {reinterpret_cast<const char*>(raw.data()), length};
  }

private:
  EVP_MD_CTX* context_;
};

std::size_t digest_bytes(digest_kind kind) noexcept {
  switch (kind) {
  case digest_kind::sha512: return 64;
  case digest_kind::sha256: return 32;
  case digest_kind::sha1: return 20;
  case digest_kind::md5: return 16;
  case digest_kind::crc64nvme: return 8;
  case digest_kind::crc32c: return 4;
  case digest_kind::crc32: return 4;
  }
  return 0;
}

using maybe = std::optional<expected_digest>;

maybe from_base64(digest_kind kind, std::string_view text, std::string_view field) {
  auto raw = base64_decode(trim(text));
  if (!raw || raw->size() != digest_bytes(kind)) return std::nullopt;
  return expected_digest{kind, std::move(*raw), std::string(field)};
}

/// `sha-256=:base64:, sha-512=:...:` (a dictionary of byte sequences, RFC 9530 §3).
maybe from_repr_digest(const http::header_table& fields) {
  const auto all = fields.joined("repr-digest");
  if (!all) return std::nullopt;
  for (const auto& [name, kind] :
       {std::pair{"sha-512", digest_kind::sha512}, std::pair{"sha-256", digest_kind::sha256}}) {
    for (const std::string_view member : split(*all, ',')) {
      const auto equals = member.find('=');
      if (equals == std::string_view::npos || !iequals(trim(member.substr(0, equals)), name)) continue;
      const std::string_view value = trim(member.substr(equals + 1));
      if (value.size() < 2 || value.front() != ':' || value.back() != ':') continue;
      if (auto found = from_base64(kind, value.substr(1, value.size() - 2), "repr-digest")) return found;
    }
  }
  return std::nullopt;
}

maybe from_s3_checksum(const http::header_table& fields, digest_kind kind) {
  const auto type = fields.get("x-amz-checksum-type");
  if (type && iequals(*type, "COMPOSITE")) return std::nullopt; // a checksum of checksums of parts
  const std::string name = "x-amz-checksum-" + std::string(to_string(kind));
  const auto value = fields.get(name);
  if (!value || value->find('-') != std::string_view::npos) return std::nullopt; // "...-3": composed of three parts
  return from_base64(kind, *value, name);
}

constexpr std::string_view google_md5 = "md5=", google_crc32c = "crc32c=";

maybe from_google_hash(const http::header_table& fields, std::string_view name, digest_kind kind) {
  const auto all = fields.joined("x-goog-hash");
  const auto stored = fields.get("x-goog-stored-content-encoding");
  // The hash is of what is stored; a store that unpacks on the way sends other bytes.
  if (!all || (stored && !iequals(*stored, "identity") && fields.get("content-encoding") != stored))
    return std::nullopt;
  for (const std::string_view part : split(*all, ',')) {
    const std::string_view member = trim(part);
    if (!member.starts_with(name)) continue;
    if (auto found = from_base64(kind, member.substr(name.size()), "x-goog-hash")) return found;
  }
  return std::nullopt;
}

maybe from_s3_etag(const http::header_table& fields) {
  constexpr std::size_t md5_digits = 32;
  const auto tag = fields.get("etag");
  const bool is_s3 = fields.has("x-amz-request-id") || fields.has("x-amz-id-2");
  const auto encryption = fields.get("x-amz-server-side-encryption");
  const bool keyed =
      (encryption && !iequals(*encryption, "AES256")) || fields.has("x-amz-server-side-encryption-customer-algorithm");
  if (!tag || !is_s3 || keyed || tag->size() != md5_digits + 2 || tag->front() != '"' || tag->back() != '"')
    return std::nullopt;
  std::string raw;
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (std::size_t i = 1; i < tag->size() - 1; i += 2) {
    const int high = digit((*tag)[i]), low = digit((*tag)[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    raw.push_back(static_cast<char>(high * 16 + low));
  }
  return expected_digest{digest_kind::md5, std::move(raw), "etag"};
}

} // namespace

std::string_view to_string(digest_kind kind) noexcept {
  switch (kind) {
  case digest_kind::sha512: return "sha512";
  case digest_kind::sha256: return "sha256";
  case digest_kind::sha1: return "sha1";
  case digest_kind::md5: return "md5";
  case digest_kind::crc64nvme: return "crc64nvme";
  case digest_kind::crc32c: return "crc32c";
  case digest_kind::crc32: return "crc32";
  }
  return "";
}

std::unique_ptr<digester> digester::make(digest_kind kind) {
  switch (kind) {
  case digest_kind::sha512: return std::make_unique<evp_digester>(EVP_sha512());
  case digest_kind::sha256: return std::make_unique<evp_digester>(EVP_sha256());
  case digest_kind::sha1: return std::make_unique<evp_digester>(EVP_sha1());
  case digest_kind::md5: return std::make_unique<evp_digester>(EVP_md5());
  case digest_kind::crc64nvme: return std::make_unique<crc_digester>(crc64nvme_tables(), 64);
  case digest_kind::crc32c: return std::make_unique<crc_digester>(crc32c_tables(), 32, has_crc32c());
  case digest_kind::crc32: return std::make_unique<crc_digester>(crc32_tables(), 32);
  }
  return nullptr;
}

std::vector<expected_digest> find_digests(const http::header_table& fields) {
  std::vector<expected_digest> all;
  const auto add = [&all](maybe found) {
    if (found) all.push_back(std::move(*found));
  };
  add(from_repr_digest(fields));
  for (const digest_kind kind :
       {digest_kind::sha256, digest_kind::sha1, digest_kind::crc64nvme, digest_kind::crc32c, digest_kind::crc32})
    add(from_s3_checksum(fields, kind));
  add(from_google_hash(fields, google_md5, digest_kind::md5));
  add(from_google_hash(fields, google_crc32c, digest_kind::crc32c));
  if (const auto md5 = fields.get("content-md5")) add(from_base64(digest_kind::md5, *md5, "content-md5"));
  add(from_s3_etag(fields));
  return all;
}

std::optional<expected_digest> find_digest(const http::header_table& fields) {
  auto all = find_digests(fields);
  if (all.empty()) return std::nullopt;
  return std::move(all.front());
}

std::optional<expected_digest> find_quick_digest(const http::header_table& fields) {
  if (auto found = from_google_hash(fields, google_crc32c, digest_kind::crc32c)) return found;
  return find_digest(fields);
}

} // namespace forebay::origin
