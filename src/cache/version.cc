#include "cache/version.h"

#include <algorithm>

namespace forebay::cache {
namespace {

/// A reader this far ahead of a running fill waits for it; one further ahead gets a fill of its own and the
/// running one ends there. Waiting keeps the promise that a byte crosses once; the bound keeps the wait short.
constexpr std::uint64_t follow_limit_bytes = 64ull << 20;
/// Fetched ahead of one sequential reader at most, and at most this share of the memory tier.
constexpr std::uint64_t ahead_limit_bytes = 64ull << 20;
constexpr std::uint64_t ahead_memory_share = 32;

/// A million of them are kept by default (`limits.objects`).
static_assert(sizeof(version) <= 256);

} // namespace

version::version(std::shared_ptr<engine> shared, const storage::object_key& object, origin::validator pinned,
                 std::optional<std::uint64_t> length_bytes, std::uint64_t nonce)
    : engine_(std::move(shared)),
      pinned_(std::move(pinned)),
      key_(origin::make_version_key(object, pinned_, length_bytes, nonce)),
      length_(length_bytes.value_or(length_unknown)) {}

std::shared_ptr<version> version::of_its_own(std::shared_ptr<engine> shared, const storage::object_key& object,
                                             origin::validator pinned, std::optional<std::uint64_t> length_bytes) {
  static std::atomic<std::uint64_t> exchanges{1};
  const std::uint64_t nonce = (std::uint64_t{1} << 63) | exchanges.fetch_add(1);
  return std::make_shared<version>(std::move(shared), object, std::move(pinned), length_bytes, nonce);
}

version::~version() { engine_->memory.erase(key_); }

std::shared_ptr<fill> version::covering(std::uint64_t at) const {
  for (const auto& each : fills_) {
    if (!each->ended() && each->begin() <= at && at < each->end() && at >= each->frontier()) return each;
  }
  return nullptr;
}

std::uint64_t version::clip(std::uint64_t begin, std::uint64_t end) const {
  for (const auto& each : fills_) {
    if (!each->ended() && each->begin() > begin) end = std::min(end, std::max(begin, each->begin()));
  }
  if (const auto held = engine_->memory.find(key_, {begin, end})) {
    // A run that begins inside the first grain belongs to it: it is not held whole, so it does not stop us.
    if (held->begin > begin) end = std::min(end, held->begin);
  }
  if (const auto held = held_below({begin, end}); held && held->begin > begin) end = std::min(end, held->begin);
  return end;
}

/// The first run that the lower tier or the cold one holds.
std::optional<byte_range> version::held_below(byte_range within) const {
  if (engine_->lower == nullptr) return std::nullopt;
  const auto held = engine_->lower->find(key_, within);
  if (engine_->cold == nullptr || (held && held->begin <= within.begin)) return held;
  const auto cold = engine_->cold->find(key_, {within.begin, held ? held->begin : within.end});
  return cold ? cold : held;
}

/// What a reader at the beginning of `within` shall read from below memory.
std::optional<version::plan> version::plan_below(byte_range within, passed_over without) const {
  const auto begins_here = [&](const std::optional<byte_range>& held) { return held && held->begin == within.begin; };
  if (engine_->lower != nullptr && !without.lower) {
    const auto held = engine_->lower->find(key_, within);
    if (begins_here(held)) return plan{nullptr, held, false, false};
  }
  if (engine_->cold != nullptr && !without.cold) {
    const auto held = engine_->cold->find(key_, within);
    if (begins_here(held)) return plan{nullptr, held, true, false};
  }
  return std::nullopt;
}

result<std::shared_ptr<fill>> version::start(byte_range range, bool ahead, const std::vector<binding>& origins) {
  const auto limits = engine_->limits_now();
  if (engine_->active_fills.load(std::memory_order_relaxed) >= limits->fills) {
    engine_->counts.refused_fills.add();
    return fail(error_kind::exhausted, "cache", "limits.fills transfers are in progress already", true);
  }
  auto made = std::make_shared<fill>(engine_, shared_from_this(), origins, range, ahead);
  fills_.push_back(made);
  net::loop::current().spawn(fill::run(made, nullptr, 0));
  return made;
}

result<version::plan> version::locate(std::uint64_t at, std::uint64_t want_end, bool ahead, passed_over without,
                                      const std::vector<binding>& origins) {
  const std::lock_guard lock(mutex_);
  const auto running = covering(at);
  if (running != nullptr) {
    const bool near = at - running->frontier() <= follow_limit_bytes;
    const bool only_one = !can_continue() || whole_only_.load(std::memory_order_acquire);
    if (near || only_one) return plan{running, {}, false, false};
  }
  if (engine_->memory.covers(key_, at)) return plan{};
  if (auto below = plan_below({at, std::max(want_end, at + 1)}, without)) return std::move(*below);
  if (changed()) return fail(error_kind::changed, "cache", "the object changed at its origin while it was read");
  if (!can_continue()) {
    set_changed(); // whoever opens the object from now on fetches it anew
    return fail(error_kind::changed, "cache", "a part of a body without a validator is gone and cannot be asked for");
  }

  byte_range range = grain_align({at, std::max(want_end, at + 1)}, length());
  if (length() <= engine_->limits_now()->small_object_bytes) {
    const bool untouched = fills_.empty() && !engine_->memory.find(key_, {0, length()}) && !held_below({0, length()});
    range = {untouched ? 0 : range.begin, length()};
  }
  // A waiting neighbour that has not been asked for yet takes our bytes along: one request for both.
  for (const auto& each : fills_) {
    if (!each->ended() && each->end() == range.begin && each->extend(clip(range.begin, range.end))) {
      return plan{each, {}, false, false};
    }
  }
  // Answers that have begun are finished, whatever their readers owe.
  const auto may = without.begun ? result<void>() : engine_->check_fetch(origins.front().client);
  if (!may) return fail(may.error());
  range.end = clip(range.begin, range.end);
  if (running != nullptr) running->shrink(range.begin);
  auto made = start(range, ahead, origins);
  if (!made) return fail(made.error());
  if (engine_->cold != nullptr) engine_->cold->count_miss(origins.front().tenant);
  return plan{*made, {}, false, true};
}

void version::fetch_ahead(byte_range range, const std::vector<binding>& origins) {
  const std::lock_guard lock(mutex_);
  if (changed() || broken() || !can_continue() || !engine_->check_fetch(origins.front().client)) return;
  range = grain_align(range, length());
  while (!range.empty()) {
    if (const auto running = covering(range.begin)) {
      range.begin = running->end();
      continue;
    }
    const auto held = engine_->memory.find(key_, range);
    if (held && held->begin <= range.begin) {
      range.begin = held->end;
      continue;
    }
    // A block that is being filled is covered without being ready yet.
    if (engine_->memory.covers(key_, range.begin)) {
      range.begin += grain_bytes;
      continue;
    }
    if (const auto below = held_below(range); below && below->begin <= range.begin) {
      range.begin = below->end;
      continue;
    }
    range.begin = grain_floor(range.begin);
    const std::uint64_t end = clip(range.begin, range.end);
    if (end <= range.begin || !start({range.begin, end}, true, origins)) return;
    engine_->counts.ahead_fills.add();
    range.begin = end;
  }
}

std::uint64_t version::observe(byte_range range) {
  const std::uint64_t whole = length();
  const bool part_of_large =
      whole != length_unknown && range.length_bytes() < whole && whole > engine_->limits_now()->small_object_bytes;
  if (!part_of_large) return range.end;
  const std::uint64_t window =
      std::min(ahead_limit_bytes, engine_->memory.settings().capacity_bytes / ahead_memory_share);
  const std::lock_guard lock(mutex_);
  if (streams_ == nullptr) streams_ = std::make_unique<read_streams>();
  return std::min(streams_->observe(range, window), whole);
}

void version::set_broken(error why) {
  const std::lock_guard lock(mutex_);
  if (broken_.load(std::memory_order_relaxed)) return;
  harm_ = std::make_unique<const error>(std::move(why));
  broken_.store(true, std::memory_order_release);
}

error version::harm() const {
  const std::lock_guard lock(mutex_);
  return harm_ != nullptr ? *harm_ : error{};
}

void version::add_fill(std::shared_ptr<fill> made) {
  made->mark_asked();
  const std::lock_guard lock(mutex_);
  fills_.push_back(std::move(made));
}

void version::remove_fill(const fill* gone) noexcept {
  std::shared_ptr<fill> last; // destroyed outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(fills_.begin(), fills_.end(), [&](const auto& each) { return each.get() == gone; });
  if (found == fills_.end()) return;
  last = std::move(*found);
  fills_.erase(found);
}

bool version::usable() const {
  if (changed() || broken()) return false;
  if (can_continue()) return true;
  std::uint64_t come = length();
  {
    const std::lock_guard lock(mutex_);
    for (const auto& each : fills_) {
      if (!each->ended()) come = std::min(come, each->frontier());
    }
  }
  return come != length_unknown && holds({0, come});
}

bool version::held_or_coming(std::uint64_t at) const {
  const std::lock_guard lock(mutex_);
  return covering(at) != nullptr || engine_->memory.covers(key_, at) || held_below({at, at + 1});
}

bool version::holds(byte_range range) const {
  while (!range.empty()) {
    auto run = engine_->memory.find(key_, range);
    if (!run || run->begin > range.begin) run = held_below(range);
    if (!run || run->begin > range.begin || run->end <= range.begin) return false;
    range.begin = run->end;
  }
  return true;
}

} // namespace forebay::cache
