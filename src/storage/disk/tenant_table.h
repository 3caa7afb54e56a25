// Numbers of namespaces on disk: the same in every run, whatever order the configuration names them in.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "storage/disk/control_log.h"
#include "storage/disk/segment_index.h"
#include "storage/tier.h"

namespace forebay::storage::disk {

/// Names to numbers from 1; each pair is an entry of the control log. Thread-safe.
class tenant_table {
public:
  /// All that come after `shared` - 1 names have this number in common, and one quota.
  static constexpr tenant_id shared = segment_index::tenant_max;

  /// The number of `name`; a new one comes with the entry that makes it last, but for its sequence number.
  struct number {
    tenant_id id = 0;
    std::optional<control_entry> made;
  };
  number of(std::string_view name);
  /// An entry of an earlier run. Of two that contradict each other the first counts.
  void restore(const control_entry& entry);
  std::vector<std::pair<tenant_id, std::string>> all() const;

private:
  mutable std::mutex mutex_;
  std::map<std::string, tenant_id, std::less<>> by_name_;
  std::map<tenant_id, std::string> by_id_;
};

} // namespace forebay::storage::disk
