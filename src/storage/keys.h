// Names of things in the tiers.
#pragma once

#include "base/byte_range.h"
#include "base/hash.h"

namespace forebay::storage {

/// SHA-256 of an object's identity, cut to 128 bits. The full identity is stored and compared (cache/).
struct object_key : key128 {
  friend auto operator<=>(const object_key&, const object_key&) = default;
};
/// An object at one validator and one length: SHA-256 of (object key, validator, length), cut to 128 bits.
struct version_key : key128 {
  friend auto operator<=>(const version_key&, const version_key&) = default;
};

} // namespace forebay::storage
