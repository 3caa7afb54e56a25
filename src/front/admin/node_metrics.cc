#include <array>
#include <cstdio>
#include <dirent.h>
#include <fmt/format.h>
#include <functional>
#include <unistd.h>

#include "base/metrics.h"
#include "front/admin/node_state.h"

namespace forebay::front {
namespace {

double resident_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long total = 0, resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

double open_descriptors() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double count = 0;
  while (const dirent* entry = ::readdir(folder)) count += entry->d_name[0] == '.' ? 0 : 1;
  ::closedir(folder);
  return count - 1; // the one that this function opened
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

struct row {
  const char *kind, *name, *help;
  std::function<double(const node_state&)> read;
};

using tier_usage = storage::memory_tier::usage;
row tier_row(const char* kind, const char* name, const char* help, std::uint64_t tier_usage::*member) {
  return {kind, name, help, [member](const node_state& node) {
            return node.memory == nullptr ? 0.0 : static_cast<double>(node.memory->usage_now().*member);
          }};
}
using cache_usage = cache::content_cache::usage;
row cache_row(const char* name, const char* help, std::size_t cache_usage::*member) {
  return {"gauge", name, help, [member](const node_state& node) {
            return node.cache == nullptr ? 0.0 : static_cast<double>(node.cache->usage_now().*member);
          }};
}

using storage::disk::shelf;
struct shelf_row {
  const char *kind, *name, *help;
  std::function<double(const shelf&)> read;
};
shelf_row used_row(const char* name, const char* help, std::uint64_t shelf::usage::*member) {
  return {"gauge", name, help, [member](const shelf& of) { return static_cast<double>(of.usage_now().*member); }};
}
shelf_row count_row(const char* name, const char* help,
                    std::atomic<std::uint64_t> storage::disk::shelf_counts::*member) {
  return {"counter", name, help,
          [member](const shelf& of) { return static_cast<double>((of.counts().*member).load()); }};
}

/// Of each directory of the disk tier.
std::vector<shelf_row> shelf_rows() {
  using counts = storage::disk::shelf_counts;
  return {
      {"gauge", "forebay_disk_up",
       "1 while the directory is written and read, 0.5 while it is only read, 0 when it is off",
       [](const shelf& of) {
         if (of.state_now() == shelf::state::serving) return 1.0;
         return of.state_now() == shelf::state::read_only ? 0.5 : 0.0;
       }},
      used_row("forebay_disk_capacity_bytes", "Room of the directory", &shelf::usage::capacity_bytes),
      used_row("forebay_disk_held_bytes", "Bytes of extents and records that can be read", &shelf::usage::live_bytes),
      used_row("forebay_disk_entries", "Extents and records in the index", &shelf::usage::entries),
      used_row("forebay_disk_index_bytes", "Memory of the index and the ghosts", &shelf::usage::index_bytes),
      used_row("forebay_disk_queued_bytes", "Bytes that wait to be written", &shelf::usage::queued_bytes),
      count_row("forebay_disk_stored_bytes_total", "Bytes of extents and records that were put", &counts::stored_bytes),
      count_row("forebay_disk_written_bytes_total",
                "Bytes written to the directory, by eviction too: the ratio to stored bytes is the write amplification",
                &counts::written_bytes),
      count_row("forebay_disk_survived_bytes_total", "Bytes that eviction carried over", &counts::survived_bytes),
      count_row("forebay_disk_read_bytes_total", "Bytes read from the directory", &counts::read_bytes),
      count_row("forebay_disk_dropped_writes_total",
                "Extents and records that were not kept: the disk could not keep up, or takes no writes",
                &counts::dropped_writes),
      count_row("forebay_disk_evicted_segments_total", "Segments evicted", &counts::evicted_segments),
      count_row("forebay_disk_evicted_bytes_total", "Bytes that left with them", &counts::evicted_bytes),
      count_row("forebay_disk_damaged_blocks_total", "Blocks whose checksum was wrong", &counts::damaged_blocks),
      count_row("forebay_disk_torn_blocks_total", "Blocks that an interrupted run had not written whole",
                &counts::torn_blocks),
      count_row("forebay_disk_read_errors_total", "Reads that the system refused", &counts::read_errors),
      count_row("forebay_disk_write_errors_total", "Writes that the system refused", &counts::write_errors),
  };
}

std::vector<row> rows() {
  return {
      tier_row("gauge", "forebay_memory_capacity_bytes", "Capacity of the memory tier", &tier_usage::capacity_bytes),
      tier_row("gauge", "forebay_memory_held_bytes", "Bytes of objects held in the memory tier",
               &tier_usage::held_bytes),
      tier_row("gauge", "forebay_memory_pinned_bytes", "Bytes of the memory tier that readers, fills and writes hold",
               &tier_usage::pinned_bytes),
      tier_row("gauge", "forebay_memory_index_bytes", "Memory of the tier's index and ghosts",
               &tier_usage::index_bytes),
      tier_row("gauge", "forebay_memory_blocks", "Blocks in the memory tier", &tier_usage::blocks),
      tier_row("counter", "forebay_memory_evicted_blocks_total", "Blocks evicted from the memory tier",
               &tier_usage::evicted_blocks),
      tier_row("counter", "forebay_memory_evicted_bytes_total", "Bytes evicted from the memory tier",
               &tier_usage::evicted_bytes),
      tier_row("counter", "forebay_memory_punched_bytes_total",
               "Bytes given back to the kernel because a socket might still have held their pages",
               &tier_usage::punched_bytes),
      tier_row("counter", "forebay_memory_ghost_hits_total",
               "Blocks that were wanted again soon after their eviction: the tier is too small for them",
               &tier_usage::ghost_hits),
      cache_row("forebay_cache_objects", "Objects whose metadata are held", &cache_usage::objects),
      cache_row("forebay_cache_fills", "Fills in progress", &cache_usage::fills),
      cache_row("forebay_cache_followers", "Readers that follow a fill", &cache_usage::followers),
      cache_row("forebay_cache_waiters", "Requests that wait for another request's exchange", &cache_usage::waiters),
      {"gauge", "forebay_connections", "Connections of readers that are open",
       [](const node_state& node) { return static_cast<double>(node.connections.load(std::memory_order_relaxed)); }},
      {"gauge", "forebay_draining", "1 while the node ends: it accepts no more connections",
       [](const node_state& node) { return node.draining.load() ? 1.0 : 0.0; }},
      {"gauge", "forebay_uptime_seconds", "Seconds since the node started",
       [](const node_state& node) {
         return std::chrono::duration<double>(system_clock().steady() - node.started).count();
       }},
      {"counter", "forebay_reloads_total", "Reloads of the configuration that took effect",
       [](const node_state& node) { return static_cast<double>(node.reloads.load()); }},
      {"counter", "forebay_failed_reloads_total", "Reloads that were refused because the file has mistakes",
       [](const node_state& node) { return static_cast<double>(node.failed_reloads.load()); }},
      {"gauge", "forebay_disk_refused_directories", "Directories of the configuration that could not be used",
       [](const node_state& node) { return static_cast<double>(node.refused_disks.load()); }},
      {"gauge", "process_resident_memory_bytes", "Resident memory of the process, the memory tier included",
       [](const node_state&) { return resident_bytes(); }},
      {"gauge", "process_open_fds", "File descriptors that are open",
       [](const node_state&) { return open_descriptors(); }},
      {"counter", "process_cpu_seconds_total", "Processor time of the process, user and system",
       [](const node_state&) { return cpu_seconds(); }},
  };
}

/// What each namespace has of the disk tier.
void set_namespaces(const node_state& state, bool active) {
  if (state.disk == nullptr) return;
  using store = storage::disk::segment_store;
  const auto set = [&](const char* name, const char* help, const std::string& of, storage::tenant_id tenant,
                       std::uint64_t (store::*call)(storage::tenant_id) const noexcept) {
    std::function<double()> read;
    if (active) read = [disk = state.disk, call, tenant] { return static_cast<double>((disk->*call)(tenant)); };
    const std::array<metrics::label, 1> by{{{"namespace", of}}};
    metrics::global().set_callback("gauge", name, help, by, std::move(read));
  };
  auto tenants = state.disk->tenants();
  tenants.emplace_back(storage::open_stores_tenant, "open");
  for (const auto& [tenant, of] : tenants) {
    set("forebay_disk_namespace_bytes", "Bytes of a namespace on disk; `open`: of all open stores", of, tenant,
        &store::tenant_bytes);
    set("forebay_disk_namespace_quota_bytes", "How much it may have there; 0: no quota", of, tenant,
        &store::tenant_quota);
  }
}

void set_all(const node_state& state, bool active) {
  auto& in = metrics::global();
  for (const row& one : rows()) {
    std::function<double()> read;
    if (active) read = [&state, call = one.read] { return call(state); };
    in.set_callback(one.kind, one.name, one.help, {}, std::move(read));
  }
  const std::array<metrics::label, 2> build{{{"version", state.version}, {"node", state.name}}};
  in.set_callback("gauge", "forebay_build_info", "1; the labels say what runs", build,
                  active ? std::function<double()>([] { return 1.0; }) : nullptr);
  for (std::size_t i = 0; state.disk != nullptr && i < state.disk->shelf_count(); ++i) {
    const std::array<metrics::label, 1> by{{{"directory", state.disk->name_at(i)}}};
    for (const shelf_row& one : shelf_rows()) {
      std::function<double()> read;
      if (active) read = [&of = state.disk->shelf_at(i), call = one.read] { return call(of); };
      in.set_callback(one.kind, one.name, one.help, by, std::move(read));
    }
  }
  set_namespaces(state, active);
  for (unsigned i = 0; state.loops != nullptr && i < state.loops->size(); ++i) {
    const std::string index = fmt::format("{}", i);
    const std::array<metrics::label, 1> by{{{"loop", index}}};
    std::function<double()> read;
    if (active) read = [&loop = state.loops->at(i)] { return loop.lag_seconds(); };
    in.set_callback("gauge", "forebay_loop_lag_seconds", "By how much the last tick of an event loop came late", by,
                    std::move(read));
  }
}

} // namespace

void register_node_metrics(const node_state& state) { set_all(state, true); }
void forget_node_metrics(const node_state& state) { set_all(state, false); }

} // namespace forebay::front
