#include "origin/ipfs/cid.h"

#include "base/hash.h"
#include "origin/ipfs/blake2b.h"
#include "origin/ipfs/multibase.h"
#include "origin/ipfs/varint.h"

namespace forebay::origin::ipfs {
namespace {

constexpr std::size_t digest_bytes = 32; // of both hash functions

bool is_known(const cid& read) {
  if (read.codec != codec_raw && read.codec != codec_dag_pb) return false;
  if (read.hash == hash_identity) return read.digest.size() <= identity_bytes_max;
  return (read.hash == hash_sha2_256 || read.hash == hash_blake2b_256) && read.digest.size() == digest_bytes;
}

bool take_multihash(std::string_view& bytes, cid& into) {
  const auto hash = take_varint(bytes);
  const auto length = hash ? take_varint(bytes) : std::nullopt;
  if (!length || *length > bytes.size()) return false;
  into.hash = *hash;
  into.digest = std::string(bytes.substr(0, *length));
  bytes.remove_prefix(*length);
  return is_known(into);
}

/// Version 0 is a bare multihash: sha2-256, 32 bytes, of a dag-pb block.
bool is_version_0(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == '\x12' && static_cast<std::size_t>(bytes[1]) == digest_bytes;
}

} // namespace

std::string cid::to_string() const {
  std::string bytes;
  append_varint(bytes, 1);
  append_varint(bytes, codec);
  append_varint(bytes, hash);
  append_varint(bytes, digest.size());
  return multibase_base32(bytes + digest);
}

bool cid::names(std::string_view block) const {
  if (hash == hash_identity) return block == digest;
  const auto found = hash == hash_blake2b_256 ? blake2b_256(block) : sha256(block);
  return digest == std::string_view(reinterpret_cast<const char*>(found.data()), found.size());
}

std::optional<cid> take_cid(std::string_view& bytes) {
  cid made;
  if (is_version_0(bytes)) {
    made.codec = codec_dag_pb;
    return take_multihash(bytes, made) ? std::optional(made) : std::nullopt;
  }
  const auto version = take_varint(bytes);
  const auto codec = version == 1u ? take_varint(bytes) : std::nullopt;
  if (!codec) return std::nullopt;
  made.codec = *codec;
  return take_multihash(bytes, made) ? std::optional(made) : std::nullopt;
}

std::optional<cid> parse_cid(std::string_view text) {
  constexpr std::size_t version_0_length = 46;
  const bool version_0 = text.size() == version_0_length && text.starts_with("Qm");
  const auto bytes = version_0 ? base58_decode(text) : multibase_decode(text);
  if (!bytes || (!version_0 && is_version_0(*bytes))) return std::nullopt; // version 0 has one spelling
  std::string_view rest = *bytes;
  const auto made = take_cid(rest);
  return rest.empty() ? made : std::nullopt;
}

} // namespace forebay::origin::ipfs
