// An object of the cache, and the table of them. Internal to cache/.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "cache/engine.h"
#include "cache/version.h"

namespace forebay::cache {

struct contact;

/// What is known of one object. The mutex is held for a look or a change, never across an await.
struct object {
  explicit object(origin::identity named) : name(std::move(named)), key(name.key128()) {}

  const origin::identity name;
  const storage::object_key key;

  std::mutex mutex;
  std::shared_ptr<const stored_head> head; ///< null: nothing usable is stored
  std::shared_ptr<version> current;        ///< of `head`
  std::optional<error> negative;           ///< the origin's "not found" or "gone" ...
  steady_time negative_until{};            ///< ... and how long it counts
  steady_time pass_until{};                ///< hit-for-miss: until then readers do not wait for each other
  std::shared_ptr<contact> asking;         ///< the exchange in progress
  /// Another one after each purge: an exchange begun before it installs nothing. Part of the versions' keys; with a
  /// lower tier 0 until `restored`, then a number that was never used before.
  std::uint64_t generation = 0;
  std::vector<std::weak_ptr<version>> former; ///< replaced versions that readers may still hold

  bool restoring = false;            ///< its record is being looked for in the lower tier ...
  std::atomic<bool> restored{false}; ///< ... or was; read without the mutex
  std::vector<net::event> restore_waiters;
  bool recorded = false;         ///< the lower tier has a record of what is stored
  std::optional<kept_name> kept; ///< by which name the operator keeps it on disk; in the record

  /// The version for what an origin just answered to an exchange begun in generation `begun`: the current or a former
  /// one that is the same, or a new one. Caller holds the mutex.
  std::shared_ptr<version> version_for(const std::shared_ptr<engine>& shared, const stored_head& with,
                                       std::uint64_t begun);
  /// A purge: nothing that was stored or asked for before it serves who comes later. Caller holds the mutex.
  void forget(std::uint64_t next_generation);
  /// Forgets what is stored. Caller holds the mutex.
  void clear();
  std::atomic<bool> used{true}; ///< for the table's clock
};

/// Objects by identity, bounded: the clock hand takes those that nobody used since it last came by. Thread-safe.
class object_table {
public:
  std::shared_ptr<object> get(const origin::identity& name, std::size_t limit, bool& made);
  std::shared_ptr<object> find(const origin::identity& name);
  void each(const std::function<void(const std::shared_ptr<object>&)>& visit);
  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

private:
  static constexpr std::size_t shard_count = 64;
  struct shard {
    std::mutex mutex;
    std::unordered_map<storage::object_key, std::shared_ptr<object>, key128_hash> objects;
    std::list<storage::object_key> order; ///< the clock
  };
  shard& shard_of(const storage::object_key& key) noexcept { return shards_[key.prefix() % shard_count]; }
  void make_room(shard& in, std::size_t limit, std::vector<std::shared_ptr<object>>& gone);

  std::array<shard, shard_count> shards_;
  std::atomic<std::size_t> size_{0};
};

} // namespace forebay::cache
