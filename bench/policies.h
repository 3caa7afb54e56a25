// Traces, and the textbook policies that the tiers are compared with. The models are idealised: they pay for nothing
// but pages, evict single objects, and forget nothing that they need to know.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <list>
#include <random>
#include <unordered_map>
#include <vector>

#include "base/byte_range.h"
#include "storage/keys.h"

namespace forebay::bench {

constexpr std::uint64_t kib = 1024, mib = 1024 * kib, gib = 1024 * mib;

struct one_read {
  std::uint64_t object;
  std::uint32_t length_bytes; ///< the same at each visit of an object
  std::uint16_t tenant = 0;
};
using trace = std::vector<one_read>;

inline storage::version_key key_of(std::uint64_t number) {
  storage::version_key key;
  const std::uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15ull; // the golden ratio: keys look like hashes
  std::memcpy(key.bytes.data(), &mixed, sizeof mixed);
  std::memcpy(key.bytes.data() + sizeof mixed, &number, sizeof number);
  return key;
}

/// A cache that a trace runs through; gives the bytes of the visit that it held.
struct policy {
  virtual ~policy() = default;
  virtual std::uint64_t visit(one_read one) = 0;
};

/// LRU; and FIFO, where a hit moves nothing.
struct queue_model final : policy {
  queue_model(std::uint64_t capacity, bool moves) : capacity_bytes(capacity), hit_moves(moves) {}
  std::uint64_t visit(one_read one) override {
    if (auto found = where.find(one.object); found != where.end()) {
      if (hit_moves) order.splice(order.begin(), order, found->second);
      return one.length_bytes;
    }
    const std::uint64_t cost = grain_ceil(one.length_bytes);
    while (used_bytes + cost > capacity_bytes) {
      used_bytes -= grain_ceil(order.back().length_bytes);
      where.erase(order.back().object);
      order.pop_back();
    }
    order.push_front(one);
    where[one.object] = order.begin();
    used_bytes += cost;
    return 0;
  }
  std::uint64_t capacity_bytes, used_bytes = 0;
  bool hit_moves;
  std::list<one_read> order;
  std::unordered_map<std::uint64_t, std::list<one_read>::iterator> where;
};

/// SIEVE: a FIFO whose hand passes over what was visited since it last came by, and takes the mark away.
struct sieve_model final : policy {
  explicit sieve_model(std::uint64_t capacity) : capacity_bytes(capacity) {}
  std::uint64_t visit(one_read one) override {
    if (auto found = where.find(one.object); found != where.end()) {
      found->second->visited = true;
      return one.length_bytes;
    }
    const std::uint64_t cost = grain_ceil(one.length_bytes);
    while (used_bytes + cost > capacity_bytes) evict();
    order.push_front({one, false});
    where[one.object] = order.begin();
    used_bytes += cost;
    return 0;
  }
  void evict() {
    while (hand == order.end() || hand->visited) {
      if (hand != order.end()) hand->visited = false;
      hand = hand == order.end() || hand == order.begin() ? std::prev(order.end()) : std::prev(hand);
    }
    const auto gone = hand;
    hand = gone == order.begin() ? order.end() : std::prev(gone);
    used_bytes -= grain_ceil(gone->what.length_bytes);
    where.erase(gone->what.object);
    order.erase(gone);
  }
  struct held {
    one_read what;
    bool visited;
  };
  std::uint64_t capacity_bytes, used_bytes = 0;
  std::list<held> order; ///< newest first
  std::list<held>::iterator hand = order.end();
  std::unordered_map<std::uint64_t, std::list<held>::iterator> where;
};

struct hit_ratios {
  double objects = 0, bytes = 0; ///< an object is a hit when all of it was held
};
inline hit_ratios replay(policy& cache, const trace& visited) {
  std::uint64_t hits = 0, held = 0, wanted = 0;
  for (const one_read& one : visited) {
    const std::uint64_t found = cache.visit(one);
    hits += found == one.length_bytes ? 1 : 0;
    held += found;
    wanted += one.length_bytes;
  }
  return {static_cast<double>(hits) / static_cast<double>(visited.size()),
          static_cast<double>(held) / static_cast<double>(wanted)};
}

/// Object numbers with probabilities that fall as rank^-skew.
class zipf {
public:
  zipf(std::size_t objects, double skew) : sums_(objects) {
    double sum = 0;
    for (std::size_t rank = 0; rank < objects; ++rank) sums_[rank] = sum += std::pow(rank + 1.0, -skew);
  }
  std::uint64_t operator()(std::mt19937_64& random) const {
    const double at = std::uniform_real_distribution<>(0, sums_.back())(random);
    return static_cast<std::uint64_t>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
  }

private:
  std::vector<double> sums_;
};

} // namespace forebay::bench
