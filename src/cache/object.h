// An object of the cache, and the table of them. Internal to cache/.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cache/engine.h"
#include "cache/identity_table.h"
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
  bool pass_unpinned = false;              ///< they pass because no validator tells its versions apart
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

using object_table = identity_table<object>;

} // namespace forebay::cache
