// How many requests a client may make in a second.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "net/address.h"

namespace forebay::front {

/// A token bucket for each client, `burst_seconds` deep. Clients whose bucket is full again are forgotten; with more
/// than `clients_limit` of them at once the next one takes the place of another. Thread-safe.
class request_rate {
public:
  static constexpr unsigned burst_seconds = 2; ///< a page of a program that just started asks for much at once
  static constexpr std::size_t clients_limit = 65'536;

  /// Takes one request's token; where there is none, how long until there is (at least a second, for Retry-After).
  std::optional<std::chrono::seconds> take(const net::ip_address& client, unsigned per_second, steady_time now);
  /// Clients that are remembered.
  std::size_t clients() const;

private:
  struct bucket {
    double tokens;
    steady_time filled;
  };
  static constexpr std::size_t shard_count = 16; // requests come on all cores at once
  struct alignas(64) shard {
    mutable std::mutex lock;
    std::map<net::ip_address, bucket> buckets;
    steady_time swept{};
  };
  static void make_room(shard& in, double depth, double per_second, steady_time now);
  std::array<shard, shard_count> shards_;
};

} // namespace forebay::front
