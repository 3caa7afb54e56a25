// What the admin listener tells of the running node; filled in by app/.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cache/cache.h"
#include "front/notes.h"
#include "front/published.h"
#include "net/loop.h"
#include "storage/disk/segment_store.h"
#include "storage/memory_tier.h"

namespace forebay::front {

struct listener_state {
  std::string address;            ///< as bound: "127.0.0.1:8080"
  std::vector<std::string> serve; ///< "data", "admin"
};

/// Set up once before the listeners open; afterwards only the atomics change. Outlives the fronts.
struct node_state {
  std::string name, site, version;
  steady_time started{};
  std::vector<listener_state> listeners; ///< complete before `listening` is raised
  std::atomic<bool> listening{false};    ///< every listener accepts
  std::atomic<bool> draining{false};     ///< SIGTERM came
  std::atomic<std::uint64_t> reloads{0}, failed_reloads{0};
  std::atomic<std::int64_t> connections{0};

  cache::content_cache* cache = nullptr;
  storage::memory_tier* memory = nullptr;
  storage::disk::segment_store* disk = nullptr; ///< null: no disk tier
  std::atomic<unsigned> refused_disks{0};       ///< directories that could not be used
  net::loop_group* loops = nullptr;
};

/// Registers what is asked for at scrape time: tiers, cache, loops, process, build. `state` outlives the registry's
/// use; `forget_node_metrics` ends the callbacks. Again after a reload, which may have brought namespaces.
void register_node_metrics(const node_state& state);
void forget_node_metrics(const node_state& state);

} // namespace forebay::front
