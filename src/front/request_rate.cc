#include "front/request_rate.h"

#include <algorithm>
#include <cmath>

namespace forebay::front {
namespace {

/// A full shard is looked through this often at most: with more clients than it has room for, each request would.
constexpr std::chrono::seconds sweep_pause{1};

std::size_t mix(const net::ip_address& client) noexcept {
  std::size_t mixed = 0;
  for (const std::uint8_t byte : client.bytes()) mixed = mixed * 31 + byte;
  return mixed;
}

double seconds_between(steady_time from, steady_time to) {
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

} // namespace

void request_rate::make_room(shard& in, double depth, double per_second, steady_time now) {
  if (in.buckets.size() < clients_limit / shard_count) return;
  if (now - in.swept >= sweep_pause) {
    in.swept = now;
    std::erase_if(in.buckets, [&](const auto& each) {
      return each.second.tokens + seconds_between(each.second.filled, now) * per_second >= depth;
    });
  }
  if (in.buckets.size() >= clients_limit / shard_count) in.buckets.erase(in.buckets.begin());
}

std::optional<std::chrono::seconds> request_rate::take(const net::ip_address& client, unsigned per_second,
                                                       steady_time now) {
  const double rate = per_second;
  const double depth = rate * burst_seconds;
  shard& mine = shards_[mix(client) % shard_count];
  const std::lock_guard hold(mine.lock);
  auto found = mine.buckets.find(client);
  if (found == mine.buckets.end()) {
    make_room(mine, depth, rate, now);
    found = mine.buckets.emplace(client, bucket{depth, now}).first;
  }
  bucket& has = found->second;
  has.tokens = std::min(depth, has.tokens + seconds_between(has.filled, now) * rate);
  has.filled = now;
  if (has.tokens >= 1) {
    has.tokens -= 1;
    return std::nullopt;
  }
  return std::chrono::seconds(std::max(1L, std::lround(std::ceil((1 - has.tokens) / rate))));
}

std::size_t request_rate::clients() const {
  std::size_t count = 0;
  for (const shard& each : shards_) {
    const std::lock_guard hold(each.lock);
    count += each.buckets.size();
  }
  return count;
}

} // namespace forebay::front
