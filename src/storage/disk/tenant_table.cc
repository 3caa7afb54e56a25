#include "storage/disk/tenant_table.h"

#include <charconv>
#include <fmt/format.h>

namespace forebay::storage::disk {

tenant_table::number tenant_table::of(std::string_view name) {
  const std::lock_guard guard(mutex_);
  if (const auto known = by_name_.find(name); known != by_name_.end()) return {known->second, std::nullopt};
  tenant_id id = 1;
  for (const auto& [taken, owner] : by_id_) {
    if (taken != id) break;
    ++id;
  }
  if (id >= shared) return {shared, std::nullopt};
  by_name_.emplace(name, id);
  by_id_.emplace(id, name);
  control_entry made;
  made.kind = control_entry::kind_of::tenant;
  made.text = fmt::format("{} {}", id, name);
  return {id, std::move(made)};
}

void tenant_table::restore(const control_entry& entry) {
  const std::string_view text = entry.text;
  const std::size_t blank = text.find(' ');
  tenant_id id = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), id);
  const bool good = failed == std::errc{} && blank != std::string_view::npos && end == text.data() + blank;
  if (!good || id == 0 || id >= shared) return;
  const std::lock_guard guard(mutex_);
  const std::string name(text.substr(blank + 1));
  if (by_name_.contains(name) || by_id_.contains(id)) return;
  by_name_.emplace(name, id);
  by_id_.emplace(id, name);
}

std::vector<std::pair<tenant_id, std::string>> tenant_table::all() const {
  const std::lock_guard guard(mutex_);
  return {by_id_.begin(), by_id_.end()};
}

} // namespace forebay::storage::disk
