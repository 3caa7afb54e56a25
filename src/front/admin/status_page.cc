#include "front/admin/status_page.h"

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace forebay::front {
namespace {

using json = nlohmann::ordered_json;

double sum_of(const metrics::registry& in, std::string_view family) {
  double sum = 0;
  for (const auto& sample : in.samples(family)) sum += sample.value;
  return sum;
}

/// The family's values by one of its labels.
std::map<std::string, double> sums_by(const metrics::registry& in, std::string_view family, std::string_view label) {
  std::map<std::string, double> sums;
  for (const auto& sample : in.samples(family)) sums[label_value(sample.labels, label)] += sample.value;
  return sums;
}

json whole_numbers(const std::map<std::string, double>& values) {
  json object = json::object();
  for (const auto& [name, value] : values) object[to_valid_utf8(name)] = static_cast<std::uint64_t>(value);
  return object;
}

json namespaces_of(const web_settings& settings) {
  json list = json::array();
  for (const auto& space : settings.spaces->spaces()) {
    json one;
    one["path"] = to_valid_utf8(space->path.empty() ? "/" : space->path);
    one["origins"] = json::array();
    for (const auto& origin : space->origins) one["origins"].push_back(to_valid_utf8(origin->name()));
    one["write"] = space->write;
    one["listing"] = space->listing;
    list.push_back(std::move(one));
  }
  return list;
}

json requests_of(const metrics::registry& in) {
  auto by_outcome = sums_by(in, "forebay_requests_total", "outcome");
  // What needed the cache's answer; requests that failed or never asked it say nothing about hits.
  const double hits = by_outcome["hit"] + by_outcome["negative_hit"] + by_outcome["stale"];
  const double asked = hits + by_outcome["miss"] + by_outcome["partial"] + by_outcome["revalidated"];
  json requests;
  requests["in_flight"] = static_cast<std::int64_t>(sum_of(in, "forebay_requests_in_flight"));
  std::erase_if(by_outcome, [](const auto& one) { return one.second == 0; });
  requests["by_outcome"] = whole_numbers(by_outcome);
  requests["hit_ratio"] = asked > 0 ? json(hits / asked) : json(nullptr);
  return requests;
}

json bytes_of(const metrics::registry& in) {
  auto tiers = sums_by(in, "forebay_served_bytes_total", "tier");
  for (const char* tier : {"memory", "disk", "origin"}) tiers.try_emplace(tier, 0);
  const double served = tiers["memory"] + tiers["disk"] + tiers["origin"];
  json bytes;
  bytes["served_by_tier"] = whole_numbers(tiers);
  bytes["from_origins"] = whole_numbers(sums_by(in, "forebay_origin_bytes_total", "origin"));
  bytes["hit_ratio"] = served > 0 ? json((tiers["memory"] + tiers["disk"]) / served) : json(nullptr);
  return bytes;
}

json memory_of(const node_state& node) {
  json memory;
  if (node.memory == nullptr) return memory;
  const auto usage = node.memory->usage_now();
  memory["capacity_bytes"] = usage.capacity_bytes;
  memory["held_bytes"] = usage.held_bytes;
  memory["pinned_bytes"] = usage.pinned_bytes;
  memory["evicted_bytes"] = usage.evicted_bytes;
  return memory;
}

json disk_of(const node_state& node) {
  json disk;
  disk["refused"] = node.refused_disks.load();
  disk["directories"] = json::array();
  for (std::size_t i = 0; node.disk != nullptr && i < node.disk->shelf_count(); ++i) {
    const auto usage = node.disk->shelf_at(i).usage_now();
    const auto& counts = node.disk->shelf_at(i).counts();
    json one;
    one["path"] = to_valid_utf8(node.disk->name_at(i));
    one["state"] = to_string(usage.now);
    one["capacity_bytes"] = usage.capacity_bytes;
    one["held_bytes"] = usage.live_bytes;
    one["entries"] = usage.entries;
    one["evicted_bytes"] = counts.evicted_bytes.load();
    one["damaged_blocks"] = counts.damaged_blocks.load();
    disk["directories"].push_back(std::move(one));
  }
  return disk;
}

json cache_of(const node_state& node) {
  json cache;
  if (node.cache == nullptr) return cache;
  const auto usage = node.cache->usage_now();
  cache["objects"] = usage.objects;
  cache["fills"] = usage.fills;
  cache["followers"] = usage.followers;
  cache["waiters"] = usage.waiters;
  return cache;
}

} // namespace

std::string label_value(std::string_view labels, std::string_view name) {
  const std::string wanted = std::string(name) + "=\"";
  std::size_t at = labels.starts_with(wanted) ? 0 : labels.find("," + wanted);
  if (at == std::string_view::npos) return {};
  at = labels.find('"', at) + 1;
  std::string value;
  for (; at < labels.size() && labels[at] != '"'; ++at) {
    if (labels[at] == '\\' && at + 1 < labels.size()) {
      ++at;
      value.push_back(labels[at] == 'n' ? '\n' : labels[at]);
    } else {
      value.push_back(labels[at]);
    }
  }
  return value;
}

std::string render_status(const node_state& node, const web_settings& settings, const metrics::registry& in) {
  json status;
  status["software"] = "forebay";
  status["version"] = node.version;
  status["node"] = to_valid_utf8(node.name);
  status["site"] = to_valid_utf8(node.site);
  const auto uptime = system_clock().steady() - node.started;
  status["uptime_seconds"] = std::chrono::duration_cast<std::chrono::seconds>(uptime).count();
  status["ready"] = node.listening.load() && !node.draining.load();
  status["draining"] = node.draining.load();
  status["reloads"] = node.reloads.load();
  status["failed_reloads"] = node.failed_reloads.load();
  status["connections"] = node.connections.load();
  status["listeners"] = json::array();
  for (const listener_state& one : node.listeners)
    status["listeners"].push_back({{"address", one.address}, {"serve", one.serve}});
  status["namespaces"] = namespaces_of(settings);
  status["tiers"] = {{"memory", memory_of(node)}, {"disk", disk_of(node)}};
  status["cache"] = cache_of(node);
  status["requests"] = requests_of(in);
  status["bytes"] = bytes_of(in);
  status["saved_usd"] = sum_of(in, "forebay_saved_usd_total");
  return status.dump(2) + "\n";
}

} // namespace forebay::front
