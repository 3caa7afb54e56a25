// Namespaces that are not for everybody, and what lies in them under other names than their own paths. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "origin/identity.h"
#include "space/space.h"

namespace forebay::space {

/// A decoded path as lenient servers read it: without empty and "." segments and parameters (";v=1"), '\' as '/'.
/// Nothing where that leads upwards ("a/..;/b").
std::optional<std::string> lenient_path(std::string_view path);

/// Where the objects of a source lie, whatever credentials they are read with.
struct store_place {
  std::string kind, endpoint, bucket;
  std::string path; ///< of `lenient_path`
};
/// Nothing where the key leads upwards.
std::optional<store_place> place_of(const origin::source& source, const std::string& key);
bool holds(const store_place& outer, const store_place& inner);

/// The namespaces that are not public, or whose origin decides about readers. Immutable.
class guarded_spaces {
public:
  guarded_spaces() = default;
  explicit guarded_spaces(const std::vector<std::shared_ptr<const name_space>>& all);

  /// Whether `key` of `of` (a configured namespace) is, by its path, one of a guarded namespace that lies deeper: at
  /// the S3 address keys lead past the longest match, and so do spellings that a store takes for the same.
  bool hold_path(const name_space& of, std::string_view key) const;
  /// Whether `key` of `of` (an open store) is an object of a guarded namespace's origins.
  bool hold_object(const name_space& of, const std::string& key) const;
  bool empty() const noexcept { return entries_.empty(); }

private:
  struct entry {
    std::string path; ///< of `lenient_path`
    std::vector<store_place> places;
  };
  std::vector<entry> entries_;
};

/// What an operator should know: public namespaces through whose origins the objects of guarded ones are read.
std::vector<std::string> exposed_origins(const std::vector<std::shared_ptr<const name_space>>& all);

} // namespace forebay::space
