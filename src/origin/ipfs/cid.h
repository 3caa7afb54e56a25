// Content identifiers: what names a block, and proves it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::origin::ipfs {

/// Codes of multicodec that we read.
inline constexpr std::uint64_t codec_raw = 0x55, codec_dag_pb = 0x70;
inline constexpr std::uint64_t hash_identity = 0x00, hash_sha2_256 = 0x12, hash_blake2b_256 = 0xb220;
/// An identity hash carries its block itself; longer ones are refused, as other programs do.
inline constexpr std::size_t identity_bytes_max = 128;

/// A CID, whose codec and hash we know. Two CIDs with the same codec and digest name the same block.
struct cid {
  std::uint64_t codec = codec_raw;
  std::uint64_t hash = hash_sha2_256;
  std::string digest;

  /// Canonical: version 1 in base32, whatever it was written as.
  std::string to_string() const;
  /// True when `block` is what this names.
  bool names(std::string_view block) const;
  friend bool operator==(const cid&, const cid&) = default;
};

/// A CID as people write it: version 0 ("Qm...") or a multibase of version 1. Nothing for codecs other than raw and
/// dag-pb, for hashes that we cannot check, and for trailing bytes.
std::optional<cid> parse_cid(std::string_view text);
/// A CID in binary, as links and CAR files hold it; it is taken off the front of `bytes`.
std::optional<cid> take_cid(std::string_view& bytes);

} // namespace forebay::origin::ipfs
