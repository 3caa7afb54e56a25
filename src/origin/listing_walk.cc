#include "origin/listing_walk.h"

#include <algorithm>

namespace forebay::origin {

listing_walk::listing_walk(list_request asked, std::size_t levels)
    : asked_(std::move(asked)),
      after_(asked_.continuation.empty() ? asked_.start_after : asked_.continuation),
      levels_(levels) {
  waiting top;
  top.entry.key = asked_.prefix.substr(0, asked_.prefix.rfind('/') + 1);
  top.entry.directory = true;
  top.level = 0;
  open_.push_back(std::move(top));
}

bool listing_walk::wanted(const list_entry& entry) const {
  const std::string& key = entry.key;
  const bool descends = entry.directory && asked_.recursive;
  // Keys between the directory and the prefix do not occur: the walk begins at the prefix' own directory.
  if (!key.starts_with(asked_.prefix)) return false;
  if (key.size() == asked_.prefix.size() && !asked_.markers && !descends) return false;
  return key > after_ || (descends && after_.starts_with(key));
}

std::optional<std::string> listing_walk::next_directory() {
  const std::size_t most = std::max<std::size_t>(asked_.max_entries, 1);
  while (!open_.empty()) {
    waiting now = std::move(open_.back());
    open_.pop_back();
    const bool top = now.level == 0;
    if (top || (now.entry.directory && asked_.recursive)) {
      level_ = now.level + 1;
      return std::move(now.entry.key);
    }
    page_.entries.push_back(std::move(now.entry));
    if (page_.entries.size() < most) continue;
    // A directory that is still open may hold nothing: then the next page is empty, and the last.
    if (!open_.empty()) page_.next = page_.entries.back().key;
    open_.clear();
  }
  return std::nullopt;
}

void listing_walk::found(std::vector<list_entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const list_entry& a, const list_entry& b) { return a.key > b.key; });
  for (list_entry& each : entries) {
    const bool too_deep = each.directory && asked_.recursive && level_ >= levels_;
    if (too_deep || !wanted(each)) continue;
    open_.push_back({std::move(each), level_});
  }
}

} // namespace forebay::origin
