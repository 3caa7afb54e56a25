// The disk tier's parts: index, verification, writing, restart. On a directory of the disk that it shall live on:
//
//   forebay_store_bench [DIRECTORY]        default: a new one below the current directory; about 9 GB, removed again
//
// Runs alone on a quiet machine; prints text.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <malloc.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/log.h"
#include "policies.h"
#include "scratch_shelf.h"

namespace {

using namespace forebay;
using namespace forebay::bench;
using namespace forebay::storage;
using namespace forebay::storage::disk;
using clock_of = std::chrono::steady_clock;

double seconds_since(clock_of::time_point begun) {
  return std::chrono::duration<double>(clock_of::now() - begun).count();
}

void measure_index() {
  constexpr std::uint64_t count = 10'000'000;
  segment_index index;
  const auto at_of = [](std::uint64_t i) {
    place at;
    at.payload_bytes = 4096;
    at.position = i % 1'000'000 * entry_align_bytes;
    return at;
  };
  auto begun = clock_of::now();
  for (std::uint64_t i = 0; i < count; ++i) index.insert(key_of(i), at_of(i));
  const double inserting = seconds_since(begun);
  begun = clock_of::now();
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < count; ++i) found += index.covering(key_of(i * 7919 % count), 100) ? 1 : 0;
  const double looking = seconds_since(begun);
  std::vector<segment_index::incoming> many(4096);
  segment_index filled;
  filled.reserve(count);
  begun = clock_of::now();
  for (std::uint64_t i = 0; i < count; i += many.size()) {
    for (std::uint64_t at = 0; at < many.size(); ++at) many[at] = {key_of(i + at), at_of(i + at)};
    filled.insert_all(many);
  }
  const double filling = seconds_since(begun);
  fmt::print("index      {} extents: insert {:.0f} ns ({:.0f} ns at a start), lookup {:.0f} ns, {:.1f} bytes each\n",
             found, inserting * 1e9 / count, filling * 1e9 / count, looking * 1e9 / count,
             static_cast<double>(index.memory_bytes()) / count);
}

void measure_verifying() {
  std::vector<std::byte> payload(mib, std::byte{7}), stored(stored_bytes(mib));
  entry_head head;
  head.kind = entry_kind::extent;
  head.payload_bytes = mib;
  const std::span<const std::byte> piece(payload);
  write_entry(head, std::span(&piece, 1), stored);
  constexpr unsigned rounds = 4000;
  const auto begun = clock_of::now();
  std::uint64_t good = 0;
  for (unsigned i = 0; i < rounds; ++i)
    good += verify_blocks(head.key, 0, mib, std::span(stored).subspan(sizeof(entry_head)));
  fmt::print("verify     {:.1f} GB/s on one core\n", static_cast<double>(good) / seconds_since(begun) / 1e9);
}

/// Most memory of the process since the last call, and what it has now.
struct memory_use {
  std::uint64_t most = 0, now = 0;
};
memory_use memory_since_last() {
  memory_use told;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const auto number = [&] { return std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10) * kib; };
    if (line.starts_with("VmHWM:")) told.most = number();
    if (line.starts_with("VmRSS:")) told.now = number();
  }
  std::ofstream("/proc/self/clear_refs") << 5; // the most becomes what it is now
  return told;
}

shelf_settings settings_of(std::uint64_t size_bytes) {
  shelf_settings settings;
  settings.size_bytes = size_bytes;
  return settings;
}

/// Puts objects of `bytes` each with a record, and reads some after a restart.
void measure_restart(const std::string& path, std::uint64_t count, std::size_t bytes, bool records) {
  const scratch directory{path + "/" + std::to_string(count)};
  sequence_source sequence{1};
  auto tier = open_shelf(directory.path, settings_of(64 * gib), sequence);
  const std::string text(bytes, 'x');
  auto begun = clock_of::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto slice = net::make_slice(text);
    while (!tier->offer(key_of(i), 0, {slice}, 0)) tier->write_batch();
    while (records && !tier->offer_record(object_key{key_of(i)}, key_of(i), text.substr(0, 600), false))
      tier->write_batch();
  }
  tier->finish();
  const double writing = seconds_since(begun);
  const auto stored = tier->counts().stored_bytes.load(), written = tier->counts().written_bytes.load();
  tier.reset();
  ::sync();
  ::malloc_trim(0);
  const std::uint64_t before = (memory_since_last(), memory_since_last().now);
  begun = clock_of::now();
  tier = open_shelf(directory.path, settings_of(64 * gib), sequence);
  const double opening = seconds_since(begun);
  const auto first = tier->read(key_of(count / 2), {0, bytes});
  const double reading = seconds_since(begun);
  const std::uint64_t most = memory_since_last().most - before;
  if (!first) give_up(first.error());
  const auto usage = tier->usage_now();
  std::uint64_t there = 0;
  for (std::uint64_t i = 0; i < count; ++i) there += tier->find(key_of(i), {0, bytes}) ? 1 : 0;
  fmt::print("{:>10} objects of {} bytes{}: written at {:.2f} GB/s ({:.2f} bytes for each), open {:.0f} ms, first "
             "verified bytes after {:.0f} ms, {} of them there, {} entries, {:.1f} bytes of index each, {} MB of "
             "memory at most\n",
             count, bytes, records ? " with a record" : "", static_cast<double>(stored) / writing / 1e9,
             static_cast<double>(written) / static_cast<double>(stored), opening * 1e3, reading * 1e3, there,
             usage.entries, static_cast<double>(usage.index_bytes) / static_cast<double>(usage.entries),
             most / 1'000'000);
}

} // namespace

int main(int argc, char** argv) {
  log::set_level(log::level::error);
  const std::string directory = argc > 1 ? argv[1] : "store-bench-" + std::to_string(::getpid());
  const scratch everything{argc > 1 ? directory + "/nothing" : directory};
  measure_index();
  measure_verifying();
  measure_restart(directory, 100'000, 50'000, true);
  measure_restart(directory, 10'000'000, 64, false);
  return 0;
}
