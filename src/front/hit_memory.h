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
#include "http/message.h"

namespace forebay::front {

/// The answer to one request, byte for byte, as long as the object is held as it was. Loop thread only.
struct remembered_hit {
  std::string raw_head;         ///< of the request, with its empty line
  std::uint64_t generation = 0; ///< of the settings by which it was answered
  cache::held_object held;
  http::response answer;        ///< head alone, without Age and our Cache-Status; X-Request-Id is a place to be filled
  cache::lookup_report report;  ///< of the hit
  bool id_is_clients = false;   ///< X-Request-Id came with the request
  std::string target, user_agent, space_label;
  double egress_usd_per_gb = 0;

  std::string rendered; ///< for `rendered_age`
  std::size_t id_at = 0;
  std::chrono::seconds rendered_age{-1};
};

/// The hits of one loop: sets of a few places, where the one that was used longest ago makes room. Nothing that it
/// keeps outlives a change of the settings. Not thread-safe.
class hit_memory {
public:
  static constexpr std::size_t ways = 4;
  static constexpr std::size_t raw_head_bytes_max = 2048, answer_head_bytes_max = 4096;

  /// Room for about `most` hits, at least one set.
  explicit hit_memory(std::size_t most);
  ~hit_memory();
  hit_memory(const hit_memory&) = delete;
  hit_memory& operator=(const hit_memory&) = delete;

  /// The hit with this head; null where there is none of this generation.
  const std::shared_ptr<remembered_hit>* find(std::string_view raw_head, std::uint64_t generation) noexcept;
  /// Whether this head was asked about here lately: what comes once alone is not worth its place.
  bool came_before(std::string_view raw_head) noexcept;
  void put(std::shared_ptr<remembered_hit> made);
  void forget(std::string_view raw_head) noexcept;
  std::size_t size() const noexcept { return size_; }

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

  std::vector<set> sets_;
  std::vector<std::uint64_t> lately_; ///< hashes of heads that came once
  std::uint64_t generation_ = 0;
  std::size_t size_ = 0;
};

} // namespace forebay::front
