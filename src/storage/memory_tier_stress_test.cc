// Many threads on one tier: every byte that anybody sees is the right one, and the books agree afterwards.
#include <atomic>
#include <barrier>
#include <random>
#include <thread>

#include "storage/memory_tier_access.h"

namespace forebay::storage {
namespace {

using testing_bytes::fill;
using testing_bytes::matches;
using testing_bytes::version_of;

constexpr unsigned threads = 8;
constexpr std::uint64_t versions = 24;
constexpr std::uint64_t grains_per_object = 64;

/// One thread's random steps. A version's bytes never change, so whoever fills a place writes the same.
class worker {
public:
  worker(memory_tier& tier, std::uint64_t seed) : tier_(tier), random_(seed) {}

  void run(unsigned steps) {
    for (unsigned step = 0; step < steps; ++step) {
      const std::uint64_t version = below(versions), offset = below(grains_per_object) * grain_bytes;
      switch (below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: fill_one(version, offset); break;
      case 4:
        if (below(20) == 0) tier_.erase(version_of(version));
        break;
      case 5: tier_.find(version_of(version), {offset, UINT64_MAX}); break;
      case 6:
        if (!held_.empty()) check_and_drop();
        break;
      case 7:
        if (below(200) == 0) tier_.resize((512u << 10) + below(1u << 20));
        break;
      case 8:
        if (below(100) == 0) tier_.usage_now();
        break;
      default: read(version, offset + below(grain_bytes));
      }
    }
    while (!held_.empty()) check_and_drop();
  }

  std::uint64_t hits = 0, wrong = 0, exhausted = 0;

private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void fill_one(std::uint64_t version, std::uint64_t offset) {
    auto reserved = tier_.reserve(version_of(version), offset, 1 + below(24 * grain_bytes), 0, true);
    if (!reserved) {
      exhausted += reserved.error().kind == error_kind::exhausted;
      return;
    }
    while (!(*reserved)->writable().empty() && below(20) != 0) {
      const auto room = (*reserved)->writable();
      const std::size_t count = 1 + below(room.size());
      fill(room.first(count), version, offset + (*reserved)->ready_bytes());
      (*reserved)->publish(count);
    }
    const auto how = below(8);
    if (how == 0)
      reserved->discard();
    else if (how < 3)
      reserved->commit(false);
    else
      reserved->commit(true);
  }

  void read(std::uint64_t version, std::uint64_t at) {
    net::slice seen = tier_.read(version_of(version), at, at + below(200'000));
    if (seen.empty()) return;
    ++hits;
    wrong += !matches(seen.bytes, version, at);
    if (below(4) == 0 && held_.size() < 4) held_.push_back({version, at, std::move(seen)});
  }

  void check_and_drop() {
    wrong += !matches(held_.back().bytes.bytes, held_.back().version, held_.back().offset);
    held_.pop_back();
  }

  struct held_slice {
    std::uint64_t version, offset;
    net::slice bytes;
  };
  memory_tier& tier_;
  std::mt19937_64 random_;
  std::vector<held_slice> held_;
};

/// Takes evicted blocks on whichever thread evicts, and lets them go later on another.
struct keeper {
  std::mutex lock;
  std::vector<net::slice> kept;
  std::atomic<std::uint64_t> wrong{0}, seen{0};

  static void evicted(void* context, const version_key& version, const block& gone, net::slice bytes, tenant_id) {
    auto& self = *static_cast<keeper*>(context);
    std::uint64_t number;
    std::memcpy(&number, version.bytes.data(), sizeof number);
    self.wrong += !matches(bytes.bytes, number, gone.offset());
    ++self.seen;
    std::vector<net::slice> dropped;
    const std::lock_guard guard(self.lock);
    self.kept.push_back(std::move(bytes));
    if (self.kept.size() > 3) self.kept.swap(dropped); // dropped after the guard: a last unpin takes the tier's lock
  }
};

void stress(std::uint64_t capacity_bytes, bool with_hook, unsigned steps) {
  auto made = memory_tier::make({.capacity_bytes = capacity_bytes});
  ASSERT_TRUE(made);
  memory_tier& tier = **made;
  keeper taken;
  if (with_hook) tier.set_evicted_hook(keeper::evicted, &taken);
  std::vector<worker> workers;
  for (unsigned each = 0; each < threads; ++each) workers.emplace_back(tier, capacity_bytes + each);
  std::barrier start(threads);
  std::vector<std::thread> running;
  for (worker& each : workers)
    running.emplace_back([&start, &each, steps] {
      start.arrive_and_wait();
      each.run(steps);
    });
  for (std::thread& each : running) each.join();
  std::uint64_t hits = 0;
  for (const worker& each : workers) {
    EXPECT_EQ(each.wrong, 0u);
    hits += each.hits;
  }
  EXPECT_GT(hits, steps / 10) << "the test must see hits";
  EXPECT_GT(tier.usage_now().evicted_blocks, steps / 50) << "and evictions";
  EXPECT_EQ(taken.wrong, 0u);
  EXPECT_EQ(taken.seen > 0, with_hook);
  taken.kept.clear();
  EXPECT_EQ(tier.usage_now().pinned_bytes, 0u);
  memory_tier_access::audit(tier);
  tier.set_evicted_hook(nullptr, nullptr);
  tier.resize(memory_tier::capacity_bytes_min);
  EXPECT_LE(memory_tier_access::used_bytes(tier), memory_tier::capacity_bytes_min);
  memory_tier_access::audit(tier);
}

TEST(memory_tier_stress, small_tier_under_eviction) { stress(1u << 20, false, 6000); }
TEST(memory_tier_stress, smallest_tier) { stress(memory_tier::capacity_bytes_min, false, 4000); }
TEST(memory_tier_stress, evicted_blocks_kept_by_another) { stress(1u << 20, true, 6000); }

} // namespace
} // namespace forebay::storage
