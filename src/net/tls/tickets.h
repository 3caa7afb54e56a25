// Keys of session tickets (RFC 5077, RFC 8446 §4.6.1).
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <span>

#include "base/clock.h"

namespace forebay::net {

/// The keys that session tickets are sealed with. They change with time, so that a stolen key opens few sessions; old
/// ones open tickets for one more round. They live in memory alone. Thread-safe; outlives a reload, as sessions do.
class ticket_keys {
public:
  struct key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher, authenticator;
    steady_time made;
  };

  explicit ticket_keys(const clock& time, std::chrono::milliseconds rotation = std::chrono::hours(12))
      : clock_(time), rotation_(rotation) {}
  ~ticket_keys();

  /// Takes a changed interval; keys stay.
  void set_rotation(std::chrono::milliseconds rotation);
  /// The key to seal new tickets with; nothing when there is no randomness.
  std::optional<key> current();
  /// The key of a ticket that a client shows, if it is not too old; `renew` when the client should get a new ticket.
  struct found {
    key with;
    bool renew;
  };
  std::optional<found> find(std::span<const unsigned char, 16> name);

private:
  bool rotate_if_due();

  const clock& clock_;
  std::mutex lock_;
  std::chrono::milliseconds rotation_;
  std::deque<key> keys_; ///< newest first; one that seals, one that opens
};

} // namespace forebay::net
