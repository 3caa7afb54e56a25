// Pages of listings over stores that list one directory at a time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "origin/source.h"

namespace forebay::origin {

/// Walks directories in the order of their keys, and looks into those alone that the page asked for can come from. Not
/// thread-safe. The caller asks for directories, gives what they hold, and takes the page at the end.
class listing_walk {
public:
  /// `levels`: how deep it goes below the directory of the prefix; what lies deeper is not listed.
  listing_walk(list_request asked, std::size_t levels);

  /// The directory to be listed now ("" or ending in '/'); nothing when the page is complete.
  std::optional<std::string> next_directory();
  /// What that directory holds, in any order; keys are whole, those of directories end in '/'.
  void found(std::vector<list_entry> entries);
  listing take() { return std::move(page_); }

private:
  struct waiting {
    list_entry entry;
    std::size_t level;
  };
  bool wanted(const list_entry& entry) const;

  const list_request asked_;
  const std::string after_; ///< the page begins behind this key
  const std::size_t levels_;
  std::vector<waiting> open_; ///< the smallest key last
  std::size_t level_ = 0;     ///< of the directory that is being listed
  listing page_;
};

} // namespace forebay::origin
