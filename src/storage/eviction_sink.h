// Who takes what the disk tier lets go: the cold tier.
#pragma once

#include <cstdint>
#include <span>

#include "base/byte_range.h"
#include "storage/keys.h"
#include "storage/tier.h"

namespace forebay::storage {

/// Called on the disk tier's own threads while it makes room: must answer at once, wait for no network and keep no
/// more memory than it is allowed; what it does not take is gone. Thread-safe.
class eviction_sink {
public:
  virtual ~eviction_sink() = default;
  /// Whether these bytes would be taken: asked before they are read from the disk.
  virtual bool wants(const version_key& version, byte_range extent, tenant_id tenant) = 0;
  /// Verified bytes of an extent that leaves the disk.
  virtual void take(const version_key& version, std::uint64_t offset, std::span<const std::byte> bytes,
                    tenant_id tenant) = 0;
  /// Whether bytes of the version are, or may be, held there: the record that leads to them stays on disk. Only the
  /// first half of the key is looked at.
  virtual bool may_hold(const version_key& version) const = 0;
};

} // namespace forebay::storage
