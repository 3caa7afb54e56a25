// Thousands of random histories against a model that knows every block.
#include <map>
#include <random>

#include "storage/memory_tier_access.h"

namespace forebay::storage {
namespace {

using testing_bytes::fill;
using testing_bytes::matches;
using testing_bytes::version_of;

constexpr unsigned schedules = 2000;
constexpr unsigned steps = 250;
constexpr std::uint64_t versions = 12;
constexpr std::uint64_t grains_per_object = 60;

/// A tier, a model of what must be in it, and random steps that change both. The model is exact: the hook tells it
/// what was evicted, everything else it foresees.
class history {
public:
  explicit history(std::uint64_t seed) : random_(seed) {
    const std::uint64_t capacities[] = {256u << 10, 400u << 10, 1u << 20};
    auto made = memory_tier::make({.capacity_bytes = capacities[below(3)], .small_queue_percent = 10});
    EXPECT_TRUE(made);
    tier_ = std::move(*made);
    capacity_bytes_ = tier_->settings().capacity_bytes;
    tier_->set_evicted_hook(evicted, this);
  }

  void run() {
    for (unsigned step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      const auto dice = below(160);
      if (dice < 50)
        begin_fill();
      else if (dice < 60)
        write_some();
      else if (dice < 90)
        end_fill();
      else if (dice < 125)
        read();
      else if (dice < 140)
        drop_slice();
      else if (dice < 155)
        plan();
      else if (dice < 157)
        resize();
      else if (dice < 158)
        erase();
      if (step % 4 == 3) check_books();
    }
    check_books();
    while (!held_.empty()) drop_slice();
    if (below(2) == 0)
      while (!fills_.empty()) end_fill();
    check_all_bytes();
    memory_tier_access::audit(*tier_);
    fills_.clear();
  }

  static inline std::uint64_t evictions = 0, refusals = 0, cuts = 0; ///< over all histories: what they reached

private:
  struct extent {
    std::uint64_t capacity = 0, ready = 0, pages = 0;
    bool filling = true;
  };
  struct fill_in_progress {
    std::uint64_t version, offset;
    bool erased = false;
    reservation writing;
  };
  struct held_slice {
    std::uint64_t version, offset; ///< of its first byte
    std::uint64_t block_offset;
    net::slice bytes;
  };

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  extent* model(std::uint64_t version, std::uint64_t offset) {
    auto found = extents_[version].find(offset);
    return found == extents_[version].end() ? nullptr : &found->second;
  }
  /// The model's block that covers `at`.
  std::pair<const std::uint64_t, extent>* covering(std::uint64_t version, std::uint64_t at) {
    auto behind = extents_[version].upper_bound(at);
    if (behind == extents_[version].begin()) return nullptr;
    auto& candidate = *--behind;
    return at - candidate.first < candidate.second.capacity ? &candidate : nullptr;
  }

  static void evicted(void* context, const version_key& version, const block& gone, net::slice bytes, tenant_id) {
    auto& self = *static_cast<history*>(context);
    std::uint64_t number;
    std::memcpy(&number, version.bytes.data(), sizeof number);
    extent* known = self.model(number, gone.offset());
    ASSERT_NE(known, nullptr) << "evicted a block that nobody stored";
    ASSERT_FALSE(known->filling) << "evicted a block that is being filled";
    ASSERT_EQ(bytes.length_bytes(), known->ready);
    ASSERT_TRUE(matches(bytes.bytes, number, gone.offset()));
    for (const held_slice& held : self.held_)
      ASSERT_FALSE(held.bytes.hold.get() == static_cast<const net::pinnable*>(&gone)) << "evicted a pinned block";
    self.extents_[number].erase(gone.offset());
    ++evictions;
    if (self.below(8) == 0 && self.held_.size() < 20)
      self.held_.push_back({number, gone.offset(), gone.offset(), std::move(bytes)});
  }

  void begin_fill() {
    const std::uint64_t version = below(versions), offset = below(grains_per_object) * grain_bytes;
    const std::uint64_t wanted = 1 + below(below(2) == 0 ? 3 * grain_bytes : 64 * grain_bytes);
    const bool was_covered = covering(version, offset) != nullptr;
    auto reserved = tier_->reserve(version_of(version), offset, wanted, 0, true);
    if (was_covered) {
      ASSERT_FALSE(reserved);
      ASSERT_EQ(reserved.error().kind, error_kind::invalid_input);
      return;
    }
    if (!reserved) {
      ASSERT_EQ(reserved.error().kind, error_kind::exhausted);
      ++refusals;
      for (auto& [number, blocks] : extents_)
        for (auto& [at, known] : blocks)
          ASSERT_TRUE(known.filling || is_held(number, at)) << "exhausted beside an unpinned block";
      return;
    }
    // What was evicted meanwhile may have widened the gap: the model looks at it now.
    const std::uint64_t longest = tier_block_bytes();
    std::uint64_t expected = std::min(wanted, longest - offset % longest);
    auto next = extents_[version].upper_bound(offset);
    if (next != extents_[version].end()) expected = std::min(expected, next->first - offset);
    const std::uint64_t got = (*reserved)->capacity_bytes();
    ASSERT_GT(got, 0u);
    ASSERT_EQ(got, expected);
    ASSERT_EQ((*reserved)->writable().size(), got);
    extents_[version][offset] = {got, 0, pages_for(got), true};
    fills_.push_back({version, offset, false, std::move(*reserved)});
    if (below(3) != 0) write(fills_.back(), got);
  }

  void write_some() {
    if (fills_.empty()) return;
    fill_in_progress& chosen = fills_[below(fills_.size())];
    write(chosen, below(chosen.writing->writable().size() + 1));
  }

  void write(fill_in_progress& chosen, std::size_t count) {
    fill(chosen.writing->writable().first(count), chosen.version, chosen.offset + chosen.writing->ready_bytes());
    chosen.writing->publish(count);
    if (!chosen.erased) model(chosen.version, chosen.offset)->ready += count;
  }

  void end_fill() {
    if (fills_.empty()) return;
    std::swap(fills_[below(fills_.size())], fills_.back());
    fill_in_progress chosen = std::move(fills_.back());
    fills_.pop_back();
    const auto how = below(4);
    extent* known = chosen.erased ? nullptr : model(chosen.version, chosen.offset);
    if (how == 0)
      chosen.writing.discard();
    else if (how == 1)
      chosen.writing.commit(true);
    else if (how == 2)
      chosen.writing.commit(false);
    else
      chosen.writing = {};
    ASSERT_FALSE(chosen.writing);
    if (known == nullptr) return;
    cuts += how >= 2 && known->ready % grain_bytes != 0;
    const std::uint64_t kept = how == 0 ? 0 : how == 1 ? known->ready : grain_floor(known->ready);
    if (kept == 0)
      extents_[chosen.version].erase(chosen.offset);
    else
      *known = {kept, kept, pages_for(known->ready), false};
  }

  void read() {
    const std::uint64_t version = below(versions), at = below(grains_per_object * grain_bytes);
    const std::uint64_t limit = at + below(100'000);
    net::slice seen = tier_->read(version_of(version), at, limit);
    auto* known = covering(version, at);
    const std::uint64_t end = known == nullptr ? at : std::min(limit, known->first + known->second.ready);
    ASSERT_EQ(seen.length_bytes(), end > at ? end - at : 0);
    ASSERT_TRUE(matches(seen.bytes, version, at));
    if (!seen.empty() && held_.size() < 20) held_.push_back({version, at, known->first, std::move(seen)});
  }

  void drop_slice() {
    if (held_.empty()) return;
    std::swap(held_[below(held_.size())], held_.back());
    const held_slice& last = held_.back();
    ASSERT_TRUE(matches(last.bytes.bytes, last.version, last.offset)) << "a pinned slice changed";
    held_.pop_back();
  }

  void plan() {
    const std::uint64_t version = below(versions), begin = below(grains_per_object * grain_bytes);
    const byte_range within{begin, begin + below(200'000)};
    std::optional<byte_range> expected;
    for (const auto& [offset, known] : extents_[version]) {
      const byte_range ready = intersect({offset, offset + known.ready}, within);
      if (ready.empty()) continue;
      if (!expected)
        expected = ready;
      else if (ready.begin == expected->end)
        expected->end = ready.end;
      else
        break;
    }
    ASSERT_EQ(tier_->find(version_of(version), within), expected);
    ASSERT_EQ(tier_->covers(version_of(version), begin), covering(version, begin) != nullptr);
  }

  void erase() {
    const std::uint64_t version = below(versions);
    tier_->erase(version_of(version));
    extents_[version].clear();
    for (fill_in_progress& each : fills_) each.erased |= each.version == version;
    ASSERT_EQ(tier_->find(version_of(version), {0, UINT64_MAX}), std::nullopt);
  }

  void resize() {
    const std::uint64_t wanted = (256u << 10) + below(1u << 20);
    tier_->resize(wanted);
    capacity_bytes_ = wanted;
    over_capacity_ = memory_tier_access::used_bytes(*tier_) > wanted;
  }

  std::uint64_t tier_block_bytes() {
    return std::min<std::uint64_t>(tier_->settings().block_bytes, std::bit_floor(capacity_bytes_ / 16));
  }
  bool is_held(std::uint64_t version, std::uint64_t block_offset) {
    for (const held_slice& held : held_)
      if (held.version == version && held.block_offset == block_offset) return true;
    return false;
  }

  void check_books() {
    std::uint64_t held_bytes = 0, blocks = 0;
    for (auto& [version, extents] : extents_) {
      std::uint64_t ready = 0;
      for (auto& [offset, known] : extents) {
        held_bytes += known.pages * grain_bytes;
        ready += known.ready;
        ++blocks;
      }
      ASSERT_EQ(tier_->held_bytes(version_of(version)), ready);
    }
    const memory_tier::usage now = tier_->usage_now();
    ASSERT_EQ(now.held_bytes, held_bytes);
    ASSERT_EQ(now.blocks, blocks);
    ASSERT_EQ(now.capacity_bytes, capacity_bytes_);
    const bool over = now.page_bytes + now.index_bytes > capacity_bytes_;
    ASSERT_TRUE(!over || over_capacity_) << "over capacity without having shrunk under pins";
    over_capacity_ = over;
  }

  void check_all_bytes() {
    for (auto& [version, extents] : extents_)
      for (auto& [offset, known] : extents) {
        const net::slice seen = tier_->read(version_of(version), offset, UINT64_MAX);
        ASSERT_EQ(seen.length_bytes(), known.ready);
        ASSERT_TRUE(matches(seen.bytes, version, offset));
      }
  }

  std::mt19937_64 random_;
  std::unique_ptr<memory_tier> tier_;
  std::uint64_t capacity_bytes_ = 0;
  bool over_capacity_ = false;
  std::map<std::uint64_t, std::map<std::uint64_t, extent>> extents_;
  std::vector<fill_in_progress> fills_;
  std::vector<held_slice> held_;
};

TEST(memory_tier_model, random_histories_agree_with_the_model) {
  for (unsigned seed = 0; seed < schedules; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    history one(seed);
    one.run();
    if (HasFailure()) return;
  }
  RecordProperty("evictions", std::to_string(history::evictions));
  RecordProperty("refusals", std::to_string(history::refusals));
  EXPECT_GT(history::evictions, schedules);
  EXPECT_GT(history::refusals, schedules / 10);
  EXPECT_GT(history::cuts, schedules);
}

} // namespace
} // namespace forebay::storage
