// A bounded table of what is known by identity. Internal to cache/.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "origin/identity.h"

namespace forebay::cache {

/// Things by identity, bounded: the clock hand takes those that nobody used since it last came by. A thing is made of
/// its identity, keeps it as `name`, and has an `std::atomic<bool> used`. Thread-safe.
template <class Thing>
class identity_table {
public:
  std::shared_ptr<Thing> get(const origin::identity& name, std::size_t limit, bool& made) {
    const auto key = name.key128();
    std::vector<std::shared_ptr<Thing>> gone; // destroyed after the lock: that may touch the tiers
    shard& in = shard_of(key);
    const std::lock_guard lock(in.mutex);
    const auto found = in.things.find(key);
    made = found == in.things.end();
    if (!made && found->second->name == name) {
      found->second->used.store(true, std::memory_order_relaxed);
      return found->second;
    }
    if (!made) { // 128 equal bits of two names: the newcomer takes the place
      gone.push_back(found->second);
      found->second = std::make_shared<Thing>(name);
      made = true;
      return found->second;
    }
    make_room(in, std::max<std::size_t>(1, limit / shard_count), gone);
    auto fresh = std::make_shared<Thing>(name);
    in.things.emplace(key, fresh);
    in.order.push_back(key);
    size_.fetch_add(1, std::memory_order_relaxed);
    return fresh;
  }

  std::shared_ptr<Thing> find(const origin::identity& name) {
    const auto key = name.key128();
    shard& in = shard_of(key);
    const std::lock_guard lock(in.mutex);
    const auto found = in.things.find(key);
    return found == in.things.end() ? nullptr : found->second;
  }

  void each(const std::function<void(const std::shared_ptr<Thing>&)>& visit) {
    for (shard& in : shards_) {
      std::vector<std::shared_ptr<Thing>> here;
      {
        const std::lock_guard lock(in.mutex);
        here.reserve(in.things.size());
        for (const auto& [key, each] : in.things) here.push_back(each);
      }
      for (const auto& each : here) visit(each);
    }
  }

  /// Lets go of what nobody used lately until `enough` says so, or only what is in use is left.
  void shed(const std::function<bool()>& enough) {
    for (std::size_t fruitless = 0; fruitless < shard_count && !enough();) {
      std::vector<std::shared_ptr<Thing>> gone;
      shard& in = shards_[hand_.fetch_add(1, std::memory_order_relaxed) % shard_count];
      {
        const std::lock_guard lock(in.mutex);
        make_room(in, std::max<std::size_t>(1, in.things.size()), gone);
      }
      fruitless = gone.empty() ? fruitless + 1 : 0;
    }
  }

  /// Counts what makes room, from now on.
  void count_evictions(metrics::counter& in) noexcept { evictions_ = &in; }

  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

private:
  static constexpr std::size_t shard_count = 64;
  struct shard {
    std::mutex mutex;
    std::unordered_map<storage::object_key, std::shared_ptr<Thing>, key128_hash> things;
    std::list<storage::object_key> order; ///< the clock
  };
  shard& shard_of(const storage::object_key& key) noexcept { return shards_[key.prefix() % shard_count]; }

  void make_room(shard& in, std::size_t limit, std::vector<std::shared_ptr<Thing>>& gone) {
    // Each thing gets at most one second chance per turn, so the loop ends.
    for (std::size_t steps = 2 * in.order.size(); in.things.size() >= limit && steps > 0; --steps) {
      const auto key = in.order.front();
      in.order.pop_front();
      const auto found = in.things.find(key);
      const bool busy = found->second.use_count() > 1 || found->second->used.exchange(false, std::memory_order_relaxed);
      if (busy) {
        in.order.push_back(key);
        continue;
      }
      gone.push_back(std::move(found->second));
      in.things.erase(found);
      size_.fetch_sub(1, std::memory_order_relaxed);
      if (evictions_ != nullptr) evictions_->add();
    }
  }

  std::array<shard, shard_count> shards_;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::size_t> hand_{0}; ///< the shard that sheds next
  metrics::counter* evictions_ = nullptr;
};

} // namespace forebay::cache
