// Whose bytes are these: the canonical name of an object and the validator of its version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/keys.h"

namespace forebay::origin {

/// The canonical origin of an object, the credential scope it was read with, and the variant. Never the namespace,
/// listener, host or secret it was asked through: one bucket under four addresses is one copy.
struct identity {
  std::string kind;     ///< "s3", "web"
  std::string endpoint; ///< canonical "scheme://host:port", lower-case, default port written out
  std::string bucket;   ///< empty where the kind has none
  std::string key;      ///< exact bytes (for web: path and query as sent)
  std::string scope;    ///< "anonymous" or a fingerprint of the credential's public part
  std::string variant;  ///< normalised values of what Vary names; empty: the only one

  /// Length-prefixed fields, so that no two identities spell alike. Stored with the object and compared.
  std::string canonical() const;
  /// What `canonical` gave; nothing for other text.
  static std::optional<identity> parse(std::string_view canonical);
  storage::object_key key128() const;
  friend bool operator==(const identity&, const identity&) = default;
};

/// What tells versions of an object apart, strongest first.
enum class validator_kind : std::uint8_t { none, strong_etag, store_version, content_id, last_modified };

struct validator {
  validator_kind kind = validator_kind::none;
  std::string value; ///< the ETag with its quotes, a version id, a CID, or the Last-Modified date as sent
  explicit operator bool() const noexcept { return kind != validator_kind::none; }
  friend bool operator==(const validator&, const validator&) = default;
};

/// The version's key; `length_bytes` absent while unknown (then `nonce` keeps exchanges apart).
storage::version_key make_version_key(const storage::object_key& object, const validator& pinned,
                                      std::optional<std::uint64_t> length_bytes, std::uint64_t nonce = 0);

} // namespace forebay::origin
