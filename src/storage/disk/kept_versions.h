// What the operator keeps: versions whose extents are not evicted.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "storage/keys.h"

namespace forebay::storage::disk {

/// Versions that a record with the kept flag leads, or once led, to, with the record's object: 32 bytes each. The
/// shelves of a store share it, since a record and the extents it leads to may lie in different directories.
/// Thread-safe; `ask` is called without a lock.
class kept_versions {
public:
  /// True when the object's record still leads to this version and shall be kept. May read the disk.
  using question = std::function<bool(const object_key&, std::uint64_t version_prefix)>;
  void set_question(question ask);

  /// A record with the flag was put or found.
  void note(std::uint64_t version_prefix, const object_key& object);
  /// Whether a new extent of the version is to be kept.
  bool holds(std::uint64_t version_prefix) const;
  /// The same for an extent whose turn to be evicted came: a record may have been replaced or purged, or the operator
  /// have changed his mind. Forgets the version if so.
  bool confirm(std::uint64_t version_prefix);

  /// All that were noted and not forgotten.
  std::vector<std::pair<std::uint64_t, object_key>> all() const;

private:
  mutable std::mutex mutex_;
  boost::unordered_flat_map<std::uint64_t, object_key> objects_;
  question ask_;
};

} // namespace forebay::storage::disk
