#include "front/digest_memory.h"

#include <fmt/format.h>
#include <utility>

#include "base/limit_counter.h"

namespace forebay::front {

digest_memory::digest_memory(digest_limits limits)
    : limits_(limits),
      count_(metrics::global().get_gauge("forebay_digests", "Digests of whole objects that were computed and kept.")),
      computed_(metrics::global().get_counter("forebay_digests_computed_total",
                                              "Digests of answers that were computed for their readers.")) {
  metrics::refused_by("digest_held_bytes");
}
digest_memory::~digest_memory() { count_.add(-static_cast<std::int64_t>(entries_.size())); }

void digest_memory::update(digest_limits limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
  trim();
}

digest_limits digest_memory::limits() const {
  const std::lock_guard lock(mutex_);
  return limits_;
}

key128 digest_memory::name_of(const origin::identity& object, const origin::validator& pinned,
                              std::uint64_t length_bytes, origin::digest_kind kind) {
  return sha256_128(fmt::format("{} {} {}:{} {}", origin::to_string(kind), static_cast<unsigned>(pinned.kind),
                                pinned.value.size(), pinned.value, length_bytes) +
                    object.canonical());
}

std::optional<std::string> digest_memory::recall(const key128& name) {
  const std::lock_guard lock(mutex_);
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->digest;
}

void digest_memory::remember(const key128& name, std::string digest) {
  const std::lock_guard lock(mutex_);
  if (by_name_.contains(name)) return; // of one version there is one
  entries_.push_front({name, std::move(digest)});
  by_name_.emplace(name, entries_.begin());
  count_.add(1);
  trim();
}

void digest_memory::trim() {
  while (entries_.size() > limits_.remembered) {
    by_name_.erase(entries_.back().name);
    entries_.pop_back();
    count_.add(-1);
  }
}

digest_memory::room digest_memory::take_room(const std::shared_ptr<digest_memory>& of, std::uint64_t bytes) {
  const std::lock_guard lock(of->mutex_);
  if (bytes > of->limits_.held_bytes - std::min(of->limits_.held_bytes, of->held_bytes_)) {
    metrics::refused_by("digest_held_bytes").add();
    return {};
  }
  of->held_bytes_ += bytes;
  return {of, bytes};
}

digest_memory::room::~room() {
  if (of_ == nullptr) return;
  const std::lock_guard lock(of_->mutex_);
  of_->held_bytes_ -= bytes_;
}

} // namespace forebay::front
