#include "cache/purged_names.h"

#include <algorithm>

namespace forebay::cache {
namespace {

/// The key without the version that a query named (sources put it behind a NUL, which no key holds).
std::string_view bare_key(const origin::identity& name) {
  return std::string_view(name.key).substr(0, name.key.find('\0'));
}

bool is_same_object(const origin::identity& a, const origin::identity& b) {
  return bare_key(a) == bare_key(b) && a.kind == b.kind && a.endpoint == b.endpoint && a.bucket == b.bucket;
}

} // namespace

purged_names::purged_names(const space::placement& where) {
  for (const auto& source : where.space->origins) {
    const auto asked = source->identify(where.key, where.query);
    names_.push_back(asked);
    for (const char* version : {"", "versionId=null"}) {
      auto other = source->identify(where.key, version);
      // For a web server the query is a part of the name.
      if (is_same_object(other, asked)) names_.push_back(std::move(other));
    }
  }
}

bool purged_names::cover(const origin::identity& name) const {
  return std::any_of(names_.begin(), names_.end(), [&](const auto& each) { return is_same_object(each, name); });
}

std::vector<storage::object_key> purged_names::keys(std::vector<std::string> scopes) const {
  scopes.emplace_back("anonymous");
  std::vector<storage::object_key> found;
  const auto add = [&found](const storage::object_key& key) {
    if (std::find(found.begin(), found.end(), key) == found.end()) found.push_back(key);
  };
  for (origin::identity name : names_) {
    add(name.key128());
    for (const std::string& scope : scopes) {
      name.scope = scope;
      add(name.key128());
    }
  }
  return found;
}

} // namespace forebay::cache
