// The memory tier against textbook policies on synthetic traces (hit ratios), and what its calls cost (nanoseconds of
// processor time).
//
// The tier is the real one, with its index and ghosts inside its capacity; LRU, FIFO and SIEVE are idealised. Runs alone on a quiet machine; prints text.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "policies.h"
#include "storage/memory_tier.h"

namespace {

using namespace forebay;
using namespace forebay::bench;
using storage::memory_tier;
using storage::version_key;

[[noreturn]] void give_up(const error& why) {
  std::fprintf(stderr, "eviction_bench: %s\n", why.message().c_str());
  std::exit(1);
}

std::unique_ptr<memory_tier> make_tier(std::uint64_t capacity_bytes) {
  auto made = memory_tier::make({.capacity_bytes = capacity_bytes});
  if (!made) give_up(made.error());
  return std::move(*made);
}

// --- Hit ratios ----------------------------------------------------------------------------------------------------

struct real_tier final : policy {
  explicit real_tier(std::uint64_t capacity_bytes) : tier(make_tier(capacity_bytes)) {}
  std::uint64_t visit(one_read one) override {
    const version_key key = key_of(one.object);
    std::uint64_t held = 0;
    for (std::uint64_t at = 0; at < one.length_bytes;) {
      const net::slice seen = tier->read(key, at, one.length_bytes);
      at += seen.length_bytes();
      held += seen.length_bytes();
      if (!seen.empty()) continue;
      auto reserved = tier->reserve(key, at, one.length_bytes - at, 0);
      if (!reserved) give_up(reserved.error());
      (*reserved)->publish((*reserved)->capacity_bytes()); // a trace needs no bytes
      reserved->commit(true);
    }
    return held;
  }
  std::unique_ptr<memory_tier> tier;
};

/// Chunks of compressed arrays: 16 to 256 KiB, the same length for the same object.
std::uint32_t length_of(std::uint64_t object) {
  return static_cast<std::uint32_t>(16 * kib + (object * 0xD6E8FEB86659FD93ull >> 40) % (240 * kib));
}
one_read visit_of(std::uint64_t object) { return {object, length_of(object)}; }

constexpr std::size_t objects = 20'000; // about 2.6 GiB
constexpr std::size_t visits = 400'000;
constexpr std::uint64_t scan_base = 1'000'000;

trace zipf_trace(double skew) {
  std::mt19937_64 random(1);
  const zipf popular(objects, skew);
  trace made;
  for (std::size_t at = 0; at < visits; ++at) made.push_back(visit_of(popular(random)));
  return made;
}
/// Popular objects, and every 2,000 visits somebody reads 500 objects that nobody reads again.
trace zipf_with_scans() {
  std::mt19937_64 random(2);
  const zipf popular(objects, 1.0);
  trace made;
  std::uint64_t scanned = scan_base;
  while (made.size() < visits) {
    for (int at = 0; at < 2000; ++at) made.push_back(visit_of(popular(random)));
    for (int at = 0; at < 500; ++at) made.push_back(visit_of(scanned++));
  }
  return made;
}
/// An analysis that passes over the same data set again and again.
trace loop_trace(std::size_t data_set) {
  trace made;
  while (made.size() < visits / 4)
    for (std::size_t at = 0; at < data_set; ++at) made.push_back(visit_of(at));
  return made;
}
/// What is popular changes wholly every 50,000 visits.
trace shifting_trace() {
  std::mt19937_64 random(3);
  const zipf popular(objects / 4, 1.0);
  trace made;
  for (std::size_t at = 0; at < visits; ++at) made.push_back(visit_of(popular(random) + at / 50'000 * objects));
  return made;
}

void compare(const char* name, std::uint64_t capacity_bytes, const trace& visited) {
  real_tier ours(capacity_bytes);
  queue_model lru(capacity_bytes, true), fifo(capacity_bytes, false);
  sieve_model sieve(capacity_bytes);
  std::printf("%-44s %7llu MiB %9.3f %9.3f %9.3f %9.3f\n", name, static_cast<unsigned long long>(capacity_bytes / mib),
              replay(ours, visited).objects, replay(lru, visited).objects, replay(fifo, visited).objects,
              replay(sieve, visited).objects);
}

void compare_all() {
  std::printf("hit ratios (objects of 16 to 256 KiB)              capacity      tier       LRU      FIFO     SIEVE\n");
  for (const std::uint64_t capacity : {26 * mib, 260 * mib}) {
    compare("zipf 0.7", capacity, zipf_trace(0.7));
    compare("zipf 1.0", capacity, zipf_trace(1.0));
    compare("zipf 1.0, scans between", capacity, zipf_with_scans());
    compare("zipf 1.0, another popular set every 50,000", capacity, shifting_trace());
  }
  compare("loop over 1.2 x capacity", 260 * mib, loop_trace(2300));
  compare("loop over 3 x capacity", 260 * mib, loop_trace(5800));
}

// --- Costs ---------------------------------------------------------------------------------------------------------

/// Of this thread's processor time: what others do on the machine counts little.
double processor_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class F>
double nanoseconds_each(std::size_t count, const F& step) {
  const double begin = processor_ns();
  for (std::size_t at = 0; at < count; ++at) step(at);
  return (processor_ns() - begin) / static_cast<double>(count);
}

void put(memory_tier& tier, std::uint64_t object, std::uint64_t length, bool write) {
  for (std::uint64_t at = 0; at < length;) {
    auto reserved = tier.reserve(key_of(object), at, length - at, 0);
    if (!reserved) give_up(reserved.error());
    const auto room = (*reserved)->writable();
    if (write) std::memset(room.data(), 1, room.size());
    at += room.size();
    (*reserved)->publish(room.size());
    reserved->commit(at == length);
  }
}

void time_reads() {
  std::printf("\nread(), a hit                                   ns\n");
  auto tier = make_tier(256 * mib);
  constexpr std::size_t count = 2'000'000;
  for (const auto& [name, many, length] : {std::tuple{"one object of 64 KiB", 1ul, 64 * kib},
                                           {"1,000 objects of 64 KiB", 1000ul, 64 * kib},
                                           {"30,000 objects of 4 KiB", 30'000ul, 4 * kib},
                                           {"one object of 200 MiB, any block", 1ul, 200 * mib}}) {
    for (std::size_t object = 0; object < many; ++object) put(*tier, object, length, false);
    std::vector<version_key> keys;
    for (std::size_t object = 0; object < many; ++object) keys.push_back(key_of(object));
    const auto read = [&](std::size_t at) {
      const std::size_t pick = at * 7919; // a prime: strides over all of them
      const std::uint64_t offset = length > mib ? pick % (length / mib) * mib : 0;
      if (tier->read(keys[pick % many], offset, length).empty()) std::abort();
    };
    std::printf("  %-40s %9.0f\n", name, nanoseconds_each(count, read));
    if (many == 1000) {
      const unsigned readers = std::max(2u, std::thread::hardware_concurrency());
      std::vector<std::thread> running;
      std::vector<double> each(readers);
      for (unsigned reader = 0; reader < readers; ++reader)
        running.emplace_back([&, reader] { each[reader] = nanoseconds_each(count, read); });
      for (std::thread& one : running) one.join();
      std::printf("  %-34s x %3u %9.0f\n", "the same, threads", readers, *std::max_element(each.begin(), each.end()));
    }
    for (std::size_t object = 0; object < many; ++object) tier->erase(key_of(object));
  }
}

void time_fills() {
  std::printf(
      "\nreserve() to commit() in a full tier            ns   ns, bytes written   ns, written and lent to sendfile\n");
  for (const std::uint64_t length : {4 * kib, 16 * kib, 64 * kib, 68 * kib, 1024 * kib}) {
    std::printf("  %6llu KiB                               ", static_cast<unsigned long long>(length / kib));
    for (int kind = 0; kind < 3; ++kind) {
      auto tier = make_tier(256 * mib);
      std::uint64_t object = 0;
      const auto step = [&](std::size_t) {
        put(*tier, object, length, kind > 0);
        for (int pass = 0; kind == 2 && pass < 2; ++pass) tier->read(key_of(object), 0, length);
        ++object;
      };
      const std::size_t full = 256 * mib / length;
      nanoseconds_each(full, step);
      std::printf(" %9.0f        ", nanoseconds_each(full, step));
    }
    std::printf("\n");
  }
}

void show_index_cost() {
  std::printf("\nindex bytes a block (64 MiB full of objects of one block)\n");
  for (const std::uint64_t length : {4 * kib, 64 * kib, 1024 * kib}) {
    auto tier = make_tier(64 * mib);
    const std::uint64_t fixed = tier->usage_now().index_bytes;
    for (std::uint64_t object = 0; object < 80 * mib / length; ++object) put(*tier, object, length, false);
    const auto now = tier->usage_now();
    std::printf("  %6llu KiB: %4.0f, and %.2f %% of the capacity for tables; pages hold %.1f %%\n",
                static_cast<unsigned long long>(length / kib),
                static_cast<double>(now.index_bytes - fixed) / static_cast<double>(now.blocks),
                100.0 * static_cast<double>(fixed) / (64 * mib),
                100.0 * static_cast<double>(now.held_bytes) / (64 * mib));
  }
}

} // namespace

int main() {
  compare_all();
  time_reads();
  time_fills();
  show_index_cost();
}
