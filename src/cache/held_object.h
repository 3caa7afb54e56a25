// An object that was found whole in memory, to be read again without a lookup as long as nothing about it changed.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "base/clock.h"
#include "net/slice.h"

namespace forebay::cache {

struct binding;
struct engine;
struct object;
struct stored_head;

/// A note of an object at one head, without a hold on either its bytes or its place in the object table: whoever keeps
/// many of these keeps nothing alive but heads. Thread-safe; copies share what they refer to.
class held_object {
public:
  /// How fresh it is now, as `Age` and `Cache-Status` tell it.
  struct freshness_now {
    std::chrono::seconds age{}, ttl{};
    bool unchanged = false; ///< it is what it was, and fresh, whether all that was wanted is there or not
  };

  held_object() = default;
  /// `lifetime`: of freshness, in all; `always_fresh`: by the namespace's word (immutable patterns). `origins`: where
  /// more of it is fetched.
  held_object(std::shared_ptr<engine> shared, const std::shared_ptr<object>& at,
              std::shared_ptr<const stored_head> head, std::vector<binding> origins, std::chrono::seconds lifetime,
              bool always_fresh);

  explicit operator bool() const noexcept { return of_ != nullptr; }
  std::uint64_t length_bytes() const noexcept;

  /// Reads `part` (not empty, within the length) out of memory into `into` (how many slices, in order), where it is
  /// still the same version under the same head, fresh, and there in that many slices; else 0. Counts as a use of them.
  std::size_t read(byte_range part, std::span<net::slice> into, freshness_now& told) const;
  /// Notes that `part` was read, as readers of parts of large objects do one after the other; what should be fetched
  /// ahead of them now.
  std::optional<byte_range> observe(byte_range part) const;
  void fetch_ahead(byte_range ahead, std::string client) const;
  /// Of the same object at the same head.
  bool same_as(const held_object& other) const noexcept;
  /// So many bytes count as pinned by `client` while what is given lives; null where its limit forbids that.
  std::shared_ptr<void> charge(std::string client, std::uint64_t bytes) const;
  /// The same for bytes that are on their way, whatever the limit.
  std::shared_ptr<void> charge_begun(std::string client, std::uint64_t bytes) const;
  /// `client` was given so many bytes (`limits.unread_bytes_per_client`).
  void delivered(const std::string& client, std::uint64_t bytes) const noexcept;
  /// Whether somebody owes unread bytes, so that `delivered` has a meaning.
  bool anybody_owes() const noexcept;

private:
  struct record;
  std::shared_ptr<const record> of_;
};

} // namespace forebay::cache
