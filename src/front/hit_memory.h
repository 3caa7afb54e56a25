// Hits that may come again: what a front of readers remembers of the answers that it gave.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/held_object.h"
#include "cache/report.h"

namespace forebay::front {

/// The answer to one request, byte for byte, as long as the object is held as it was. Loop thread only.
struct remembered_hit {
  std::string key; ///< the request's raw head with its empty line; of a range, without its numbers
  bool is_range = false;
  std::uint64_t generation = 0; ///< of the settings by which it was answered
  cache::held_object held;
  std::string lines;          ///< of the answer's head: all but Age, Cache-Status and what names a range
  std::size_t id_at = 0;      ///< X-Request-Id's value in them
  bool id_is_clients = false; ///< it came with the request; else it is a place to be filled
  unsigned status = 200;
  cache::lookup_report report;         ///< of the hit
  std::string_view target, user_agent; ///< in `key`
  std::string space_label;
  double egress_usd_per_gb = 0;

  std::string rendered; ///< `lines` and the rest, for `rendered_age`; of a range, without what names it
  std::chrono::seconds rendered_age{-1};
};

/// The hits of one loop: sets of a few places, where the one that was used longest ago makes room. Nothing that it
/// keeps outlives a change of the settings. Not thread-safe.
class hit_memory {
public:
  static constexpr std::size_t ways = 4;
  static constexpr std::size_t key_bytes_max = 2048, answer_head_bytes_max = 4096;

  /// Room for about `most` hits, at least one set.
  explicit hit_memory(std::size_t most);
  ~hit_memory();
  hit_memory(const hit_memory&) = delete;
  hit_memory& operator=(const hit_memory&) = delete;

  /// The hit with this key; null where there is none of this generation.
  const std::shared_ptr<remembered_hit>* find(std::string_view key, std::uint64_t generation) noexcept;
  /// Whether this key was asked about here lately: what comes once alone is not worth its place.
  bool came_before(std::string_view key) noexcept;
  void put(std::shared_ptr<remembered_hit> made);
  void forget(std::string_view key) noexcept;
  std::size_t size() const noexcept { return size_; }
  std::size_t most() const noexcept { return most_; }

private:
  struct place {
    std::uint64_t hash = 0;
    std::shared_ptr<remembered_hit> hit;
  };
  using set = std::array<place, ways>;
  set& set_of(std::uint64_t hash) noexcept { return sets_[hash & (sets_.size() - 1)]; }
  void begin(std::uint64_t generation) noexcept; ///< what was kept of another one goes
  void clear() noexcept;
  void counted(std::int64_t more) noexcept;

  std::size_t most_;
  std::vector<set> sets_;
  std::vector<std::uint64_t> lately_; ///< hashes of keys that came once
  std::uint64_t generation_ = 0;
  std::size_t size_ = 0;
};

} // namespace forebay::front
