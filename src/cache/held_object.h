// An object that was found whole in memory, to be read again without a lookup as long as nothing about it changed.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "net/slice.h"

namespace forebay::cache {

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
  };

  held_object() = default;
  /// `lifetime`: of freshness, in all; `always_fresh`: by the namespace's word (immutable patterns).
  held_object(std::shared_ptr<engine> shared, const std::shared_ptr<object>& at, std::shared_ptr<const stored_head> head,
              std::chrono::seconds lifetime, bool always_fresh);

  explicit operator bool() const noexcept { return shared_ != nullptr; }
  std::uint64_t length_bytes() const noexcept;

  /// Reads the whole body out of memory into `into` (how many slices, in order), where it is still the same version
  /// under the same head, fresh, and whole there in that many slices; else 0. Counts as a use of all of it.
  std::size_t read(std::span<net::slice> into, freshness_now& told) const;
  /// For a reader who does not take at once what was read: counted as pinned by `client` while the answer lives,
  /// whatever its limit (the bytes have been given).
  std::shared_ptr<void> charge(std::string client) const;
  /// `client` was given the body (`limits.unread_bytes_per_client`).
  void delivered(const std::string& client) const noexcept;
  /// Whether somebody owes unread bytes, so that `delivered` has a meaning.
  bool anybody_owes() const noexcept;

private:
  std::shared_ptr<engine> shared_;
  std::weak_ptr<object> at_;
  std::shared_ptr<const stored_head> head_;
  std::chrono::seconds lifetime_{};
  bool always_fresh_ = false;
};

} // namespace forebay::cache
