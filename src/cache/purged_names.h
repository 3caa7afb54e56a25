// Under which names an object may be held. Internal to cache/.
#pragma once

#include <string>
#include <vector>

#include "origin/identity.h"
#include "space/space.h"

namespace forebay::cache {

/// The names of one object that is purged, at every origin of its namespace. The object is the same whatever
/// credentials it was read with and whichever of its versions was named: a purge reaches them all.
class purged_names {
public:
  explicit purged_names(const space::placement& where);

  /// Whether this is the object, in any scope and version.
  bool cover(const origin::identity& name) const;
  /// Keys for what is not in memory: the object as asked for, without a version, and as the version that stores without
  /// versions overwrite ("null"), each in its own scope, in `scopes` and without credentials.
  std::vector<storage::object_key> keys(std::vector<std::string> scopes) const;
  const std::vector<origin::identity>& all() const noexcept { return names_; }

private:
  std::vector<origin::identity> names_;
};

} // namespace forebay::cache
