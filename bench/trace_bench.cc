// The disk tier beside LRU, FIFO and SIEVE on three kinds of traces: hit ratios by object and by byte, and what the
// tier writes for them.
//
//   forebay_trace_bench [DIRECTORY [NAME]]  default: /dev/shm; a little more than the largest cache, removed again
//                                           NAME: only traces in whose name it occurs
//
// The shelf is the real one and reads, verifies and writes every byte of the trace; the models are idealised. Counts
// alone, so that the machine and its disk do not matter. Each size runs with segments of 1/64 of the cache, the
// coarsest that the tier uses, and of 1/256, closer to what a large disk has; the small
// size also with other admissions and small queues.
#include <array>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <unistd.h>
#include <unordered_set>

#include "base/log.h"
#include "policies.h"
#include "scratch_shelf.h"

namespace {

using namespace forebay;
using namespace forebay::bench;
using storage::disk::shelf;
using storage::disk::shelf_settings;

constexpr std::uint64_t object_bytes_max = 4 * mib;

// --- Traces --------------------------------------------------------------------------------------------------------

/// Log-normal, 4 KiB to 4 MiB, whole grains; the same for the same object.
std::uint32_t web_length(std::uint64_t object) {
  std::mt19937_64 random(object);
  const double drawn = std::lognormal_distribution<>(std::log(64.0 * kib), 1.2)(random);
  return static_cast<std::uint32_t>(
      grain_ceil(std::clamp(static_cast<std::uint64_t>(drawn), 4 * kib, object_bytes_max)));
}
/// Chunks of arrays: 64 KiB to 1 MiB.
std::uint32_t chunk_length(std::uint64_t object) {
  return static_cast<std::uint32_t>(grain_ceil(64 * kib + (object * 0xD6E8FEB86659FD93ull >> 40) % (960 * kib)));
}

/// Many readers of a web-like archive, ten times as large as the cache.
trace web(std::uint64_t capacity_bytes, double skew) {
  std::vector<std::uint32_t> lengths;
  for (std::uint64_t bytes = 0; bytes < 10 * capacity_bytes; bytes += lengths.back())
    lengths.push_back(web_length(lengths.size()));
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> names(lengths.size()); // what is popular is as long as what is not
  for (std::size_t at = 0; at < names.size(); ++at) names[at] = at;
  std::shuffle(names.begin(), names.end(), random);
  const zipf popular(lengths.size(), skew);
  trace made;
  for (std::uint64_t bytes = 0; bytes < 15 * capacity_bytes; bytes += made.back().length_bytes) {
    const std::uint64_t object = names[popular(random)];
    made.push_back({object, lengths[object], 1});
  }
  return made;
}

/// An analysis that reads the same data set from its beginning to its end, several times.
trace passes(std::uint64_t capacity_bytes, double of_capacity, int count) {
  trace made;
  for (int pass = 0; pass < count; ++pass) {
    const auto data_bytes = static_cast<std::uint64_t>(of_capacity * static_cast<double>(capacity_bytes));
    for (std::uint64_t object = 0, bytes = 0; bytes < data_bytes; bytes += made.back().length_bytes)
      made.push_back({object, chunk_length(object), 1}), ++object;
  }
  return made;
}

/// Eight users at work on their own chunks, together half of the cache (or `of_capacity`), a tenth of which is another
/// one every now and then; a ninth reads a data set of three times the cache through, twice, half of all visits.
trace notebooks(std::uint64_t capacity_bytes, double of_capacity) {
  constexpr unsigned users = 8;
  constexpr int drift_visits = 40;
  std::mt19937_64 random(3);
  std::array<std::vector<std::uint64_t>, users> sets;
  std::uint64_t next = 0;
  for (unsigned user = 0; user < users; ++user) {
    const double share = of_capacity * static_cast<double>(capacity_bytes) / users;
    for (double bytes = 0; bytes < share; bytes += chunk_length(next - 1)) sets[user].push_back(next++);
  }
  constexpr std::uint64_t scan_base = 1u << 30;
  std::uint64_t scanned = scan_base, scanned_bytes = 0;
  trace made;
  const auto work = [&](std::uint64_t bytes_wanted, bool scans) {
    for (std::uint64_t bytes = 0; bytes < bytes_wanted; bytes += made.back().length_bytes) {
      const auto user = static_cast<unsigned>(random() % users);
      auto& set = sets[user];
      if (made.size() % drift_visits == 0) set[random() % set.size()] = next++;
      const std::uint64_t object = set[random() % set.size()];
      made.push_back({object, chunk_length(object), static_cast<std::uint16_t>(user + 1)});
      if (!scans) continue;
      made.push_back({scanned, chunk_length(scanned), users + 1});
      scanned_bytes += chunk_length(scanned++);
      if (scanned_bytes < 3 * capacity_bytes) continue;
      scanned = scan_base;
      scanned_bytes = 0;
    }
  };
  work(4 * capacity_bytes, false);
  work(6 * capacity_bytes, true);
  work(4 * capacity_bytes, false);
  return made;
}

// --- The tier ------------------------------------------------------------------------------------------------------

/// Who may enter: all, or what is read again soon, or that of tenants who hardly read anything again.
enum class admission { all, second_read, not_of_scans };

/// What was refused, until two caches full of it have been; and how much each tenant finds of what it reads.
struct doorkeeper {
  bool admits(one_read one) {
    if (rule == admission::all || (rule == admission::not_of_scans && !scans(one.tenant))) return true;
    if (refused.erase(one.object) > 0) return true;
    refused.insert(one.object);
    in_order.push_back(one);
    refused_bytes += one.length_bytes;
    while (refused_bytes > 2 * capacity_bytes) {
      refused_bytes -= in_order.front().length_bytes;
      refused.erase(in_order.front().object);
      in_order.pop_front();
    }
    return false;
  }
  void note(one_read one, std::uint64_t held) {
    auto& [found, read] = tenants[one.tenant];
    found += held;
    read += one.length_bytes;
    if (read < 2 * capacity_bytes) return;
    found /= 2;
    read /= 2;
  }
  /// It has read a cache full, and found less than a tenth.
  bool scans(std::uint16_t tenant) const {
    const auto& [found, read] = tenants.at(tenant);
    return read >= capacity_bytes && found < read / 10;
  }
  admission rule;
  std::uint64_t capacity_bytes, refused_bytes = 0;
  std::unordered_set<std::uint64_t> refused = {};
  std::deque<one_read> in_order = {};
  std::map<std::uint16_t, std::pair<std::uint64_t, std::uint64_t>> tenants = {};
};

/// A shelf alone: what waits to be written is held, as the memory tier holds it.
struct real_shelf final : policy {
  real_shelf(const std::string& path, const shelf_settings& settings, admission rule)
      : directory{path},
        tier(open_shelf(path, settings, sequence)),
        bytes(object_bytes_max),
        door{rule, settings.size_bytes} {}
  std::uint64_t visit(one_read one) override {
    if (waiting.contains(one.object)) return one.length_bytes;
    const storage::version_key key = key_of(one.object);
    std::uint64_t held = 0;
    for (std::uint64_t at = 0; at < one.length_bytes;) {
      const auto got = tier->find(key, {at, at + 1}) ? tier->read(key, {at, one.length_bytes})
                                                     : fail(error_kind::not_found, "trace", "a miss");
      const std::uint64_t end = got ? got->range.end : at + grain_bytes;
      if (got) held += std::min<std::uint64_t>(end, one.length_bytes) - at;
      at = end;
    }
    door.note(one, held);
    if (held == one.length_bytes || !door.admits(one)) return held;
    const net::slice all{-1, 0, std::span(bytes).first(one.length_bytes), {}};
    if (tier->counts().damaged_blocks > 0 || tier->counts().dropped_writes > 0)
      give_up({error_kind::broken, "trace bench", "the tier lost something", false, 0, {}});
    tier->offer(key, 0, {all}, one.tenant);
    waiting.insert(one.object);
    if (tier->worth_writing(steady_time::min())) write();
    return held;
  }
  void write() {
    while (tier->write_batch()) {}
    waiting.clear();
  }
  const scratch directory;
  storage::disk::sequence_source sequence{1};
  std::unique_ptr<shelf> tier;
  std::vector<std::byte> bytes;
  std::unordered_set<std::uint64_t> waiting;
  doorkeeper door;
};

struct place_to_run {
  std::string directory;
  std::uint64_t capacity_bytes;
  std::string only;
  bool variants; ///< other admissions and queues too
};

struct variant {
  const char* name;
  unsigned segments = 64;
  unsigned small_percent = shelf_settings{}.small_percent;
  admission rule = admission::all;
};

void print_shelf(const place_to_run& in, const variant& as, const trace& visited) {
  shelf_settings settings;
  settings.small_percent = as.small_percent;
  settings.size_bytes = in.capacity_bytes;
  settings.segment_bytes = in.capacity_bytes / as.segments;
  settings.batch_bytes = std::min<std::size_t>(settings.batch_bytes, settings.segment_bytes / 4);
  settings.burst_pause = {}; // what is written when must not hang on the clock
  settings.index_bytes = gib;
  real_shelf ours(in.directory, settings, as.rule);
  const hit_ratios got = replay(ours, visited);
  const auto& counts = ours.tier->counts();
  std::uint64_t wanted = 0;
  for (const one_read& one : visited) wanted += one.length_bytes;
  const auto written = static_cast<double>(counts.written_bytes.load());
  const auto stored = static_cast<double>(std::max<std::uint64_t>(counts.stored_bytes.load(), 1));
  fmt::print("    {:<28} {:7.3f} {:7.3f} {:9.2f} {:9.2f}\n", as.name, got.objects, got.bytes, written / stored,
             written / static_cast<double>(wanted));
}

void print_model(const char* name, policy&& cache, const trace& visited) {
  const hit_ratios got = replay(cache, visited);
  fmt::print("    {:<28} {:7.3f} {:7.3f}\n", name, got.objects, got.bytes);
}

void compare(const place_to_run& in, const std::string& name, const trace& visited) {
  if (name.find(in.only) == std::string::npos) return;
  fmt::print("  {}, {} visits\n", name, visited.size());
  print_shelf(in, {"tier, 64 segments"}, visited);
  print_shelf(in, {"tier, 256 segments", 256}, visited);
  print_model("LRU", queue_model(in.capacity_bytes, true), visited);
  print_model("FIFO", queue_model(in.capacity_bytes, false), visited);
  print_model("SIEVE", sieve_model(in.capacity_bytes), visited);
  print_model("SIEVE with 94 % of it", sieve_model(in.capacity_bytes / 100 * 94), visited); // 60 of 64 segments
  if (in.variants) {
    print_shelf(in, {"small queue 10 %", 64, 10}, visited);
    print_shelf(in, {"small queue 20 %", 64, 20}, visited);
    print_shelf(in, {"admits on the second read", 64, 5, admission::second_read}, visited);
    print_shelf(in, {"refuses who scans", 64, 5, admission::not_of_scans}, visited);
  }
  std::fflush(stdout);
}

void compare_all(const place_to_run& in) {
  fmt::print("cache of {} MiB                      objects   bytes  written/stored  written/asked for\n",
             in.capacity_bytes / mib);
  for (const double skew : {0.8, 1.0}) compare(in, fmt::format("web, zipf {}", skew), web(in.capacity_bytes, skew));
  for (const double size : {1.2, 2.0})
    compare(in, fmt::format("8 passes over {} times the cache", size), passes(in.capacity_bytes, size, 8));
  for (const double size : {0.5, 0.9})
    compare(in, fmt::format("notebooks, {} of the cache in use, scans between", size),
            notebooks(in.capacity_bytes, size));
}

} // namespace

int main(int argc, char** argv) {
  log::set_level(log::level::warn);
  const std::string directory = fmt::format("{}/trace-bench-{}", argc > 1 ? argv[1] : "/dev/shm", ::getpid());
  for (const std::uint64_t capacity : {256 * mib, gib})
    compare_all({directory, capacity, argc > 2 ? argv[2] : "", capacity < gib});
}
