#include "cache/cold/cold_tier.h"

#include <algorithm>

#include "base/log.h"
#include "net/loop.h"
#include "storage/disk/format.h"

namespace forebay::cache::cold {

using storage::version_key;
using storage::disk::block_bytes;

namespace {

/// A pack is a quarter of what may wait at most: the others can be filled while one is written.
constexpr std::uint64_t packs_waiting = 4;
/// Most that one read brings into memory: an entry of a pack.
constexpr std::uint64_t read_bytes_max = storage::disk::payload_bytes_max;

} // namespace

/// One read of a place that several readers want: the others wait for the first.
struct cold_tier::shared_read {
  std::vector<net::event> waiting;
  result<byte_range> outcome;
};

/// Blocks of an extent in a pack.
struct cold_tier::wanted_bytes {
  version_key version;
  pack_table::found found;
  std::shared_ptr<place> in;
  byte_range bytes;  ///< of the object: whole blocks of the extent
  byte_range stored; ///< of the pack
  std::chrono::milliseconds timeout{};
};

cold_tier::cold_tier(cold_tier_settings settings, storage::memory_tier& memory, storage::lower_tier& disk,
                     const clock& time)
    : settings_(std::move(settings)), memory_(memory), disk_(disk) {
  context_ = std::shared_ptr<place_context>(new place_context{
      table_, time, settings_.node_name, settings_.stores, [&disk] { return disk.stamp(); }, settings_.queue_bytes,
      settings_.index_bytes,
      std::min<std::uint64_t>(place_context::pack_bytes_default, settings_.queue_bytes / packs_waiting)});
}

cold_tier::~cold_tier() { configure({}); }

std::shared_ptr<place> cold_tier::place_of(storage::tenant_id tenant) const {
  const std::lock_guard guard(mutex_);
  const auto found = places_.find(tenant);
  return found == places_.end() ? nullptr : found->second;
}

void cold_tier::configure(std::vector<place_settings> wanted) {
  std::vector<std::shared_ptr<place>> gone, made;
  {
    const std::lock_guard guard(mutex_);
    std::map<storage::tenant_id, std::shared_ptr<place>> next;
    for (auto& each : wanted) {
      const auto known = places_.find(each.tenant);
      const bool stays = known != places_.end() && known->second->settings().url == each.url;
      if (stays) {
        known->second->update(each);
        next[each.tenant] = known->second;
      } else {
        next[each.tenant] = std::make_shared<place>(context_, each);
        made.push_back(next[each.tenant]);
      }
    }
    for (const auto& [tenant, each] : places_)
      if (next[tenant] != each) gone.push_back(each);
    std::erase_if(next, [](const auto& each) { return each.second == nullptr; });
    places_ = std::move(next);
  }
  for (const auto& each : gone) each->end();
  for (const auto& each : made) tend(each);
}

void cold_tier::start(net::loop& home) {
  std::vector<std::shared_ptr<place>> all;
  {
    const std::lock_guard guard(mutex_);
    home_ = &home;
    for (const auto& [tenant, each] : places_) all.push_back(each);
  }
  for (const auto& each : all) tend(each);
}

void cold_tier::stop() {
  stopped_ = true;
  {
    const std::lock_guard guard(mutex_);
    home_ = nullptr;
  }
  configure({});
}

void cold_tier::tend(const std::shared_ptr<place>& each) {
  const std::lock_guard guard(mutex_);
  if (home_ != nullptr) home_->post([each] { net::loop::current().spawn(place::tend(each)); });
}

net::task<void> cold_tier::round() {
  std::vector<std::shared_ptr<place>> all;
  {
    const std::lock_guard guard(mutex_);
    for (const auto& [tenant, each] : places_) all.push_back(each);
  }
  for (const auto& each : all) co_await place::round(each);
}

bool cold_tier::wants(const version_key& version, byte_range extent, storage::tenant_id tenant) {
  const auto to = place_of(tenant);
  if (to == nullptr) return false;
  if (table_.find(version, extent) == extent) return false; // there already
  return to->wants(extent.length_bytes());
}

void cold_tier::take(const version_key& version, std::uint64_t offset, std::span<const std::byte> bytes,
                     storage::tenant_id tenant) {
  if (const auto to = place_of(tenant)) to->take(version, offset, bytes);
}

bool cold_tier::may_hold(const version_key& version) const {
  if (table_.may_hold(version) || stopped_) return true;
  // What a place holds is not known before it has been read: the way there must not be lost meanwhile.
  const std::lock_guard guard(mutex_);
  return std::any_of(places_.begin(), places_.end(), [](const auto& each) { return !each.second->read_whole(); });
}

std::optional<byte_range> cold_tier::find(const version_key& version, byte_range within) const {
  const auto run = table_.find(version, within);
  if (run && settings_.erased && settings_.erased(version)) return std::nullopt;
  return run;
}

void cold_tier::count_miss(storage::tenant_id tenant) const {
  if (const auto in = place_of(tenant)) in->counts.misses.add();
}

std::optional<cold_tier::wanted_bytes> cold_tier::plan(const version_key& version, byte_range wanted) const {
  auto found = table_.covering(version, wanted.begin);
  if (!found) return std::nullopt;
  auto in = found->in->in.lock();
  if (in == nullptr) return std::nullopt;
  const auto& at = found->at;
  const std::uint64_t first = (wanted.begin - at.offset) / block_bytes;
  const std::uint64_t last = std::min(wanted.end, wanted.begin + read_bytes_max);
  const std::uint64_t end = std::min<std::uint64_t>(
      storage::disk::round_up(std::max(last, wanted.begin + 1) - at.offset, block_bytes), at.payload_bytes);
  const std::uint64_t begins = storage::disk::block_position(at.position, first);
  const std::uint64_t payload = end - first * block_bytes;
  const std::uint64_t rest = payload % block_bytes;
  const std::uint64_t ends = begins + payload / block_bytes * storage::disk::block_stride_bytes +
                             (rest == 0 ? 0 : rest + storage::disk::checksum_bytes);
  const auto timeout = in->settings().timeout;
  return wanted_bytes{version,        std::move(*found),
                      std::move(in),  {at.offset + first * block_bytes, at.offset + end},
                      {begins, ends}, timeout};
}

net::task<result<byte_range>> cold_tier::read(version_key version, byte_range wanted, net::deadline until) {
  auto what = plan(version, wanted);
  if (!what) co_return fail(error_kind::not_found, "cold tier", "the extent is gone");
  const auto in = what->in;
  const auto by = until.within(what->timeout);
  const read_key key{version, what->bytes.begin};
  auto job = std::make_shared<shared_read>();
  const net::event woken;
  bool first = false;
  {
    const std::lock_guard guard(reads_mutex_);
    const auto [at, added] = reads_.try_emplace(key, job);
    first = added;
    job = at->second;
    job->waiting.push_back(woken);
  }
  // The transfer goes on when nobody waits any more: it has its own deadlines, and what it brings is kept.
  if (first) net::loop::current().spawn(run(job, std::move(*what), key));
  const bool ended = co_await woken.wait(by);
  if (!ended) {
    in->counts.late.add();
    const error late{error_kind::timeout, "cold tier", "the store did not answer in time", true};
    if (first) in->failed(late); // one transfer, however many wait for it
    co_return fail(late);
  }
  const std::lock_guard guard(reads_mutex_);
  if (job->outcome && job->outcome->end <= wanted.begin)
    co_return fail(error_kind::not_found, "cold tier", "that part of the extent is damaged");
  co_return job->outcome;
}

net::task<void> cold_tier::run(std::shared_ptr<shared_read> job, wanted_bytes what, read_key key) {
  auto outcome = co_await read_now(std::move(what));
  std::vector<net::event> waiting;
  {
    const std::lock_guard guard(reads_mutex_);
    job->outcome = std::move(outcome);
    waiting.swap(job->waiting);
    reads_.erase(key);
  }
  for (const auto& each : waiting) each.notify();
}

net::task<result<byte_range>> cold_tier::read_now(wanted_bytes what) {
  place& in = *what.in;
  // What is not stored yet lies in memory: in the making, or waiting to be written.
  auto making = in.gathered(*what.found.in, what.stored);
  const net::slice body = what.found.in->body();
  std::string text;
  std::span<const std::byte> blocks;
  if (making) {
    text = std::move(*making);
    blocks = std::as_bytes(std::span(text));
  } else if (!body.empty()) {
    blocks = body.bytes.subspan(what.stored.begin, what.stored.length_bytes());
  } else {
    auto got = co_await in.fetch(what.found.in, what.stored, net::deadline::after(what.timeout));
    if (!got && got.error().kind == error_kind::not_found) {
      in.counts.gone.add();
      in.lost(what.found.in);
    } else if (!got) {
      in.counts.failed.add();
    }
    if (!got) co_return fail(std::move(got.error()));
    text = std::move(*got);
    blocks = std::as_bytes(std::span(text));
  }
  const std::size_t good =
      storage::disk::verify_blocks(what.version, what.bytes.begin, what.bytes.length_bytes(), blocks);
  if (good < what.bytes.length_bytes()) {
    in.counts.damaged.add();
    log::warn("cold", "{} is damaged; what is lost is fetched again", what.found.in->name.key());
    table_.forget(what.version, what.found);
    if (good == 0) co_return fail(error_kind::not_found, "cold tier", "the extent is damaged");
  }
  auto brought = bring(what, blocks, good);
  if (brought) {
    in.counts.hits.add();
    in.counts.read_bytes.add(good);
  }
  co_return brought;
}

/// Verified bytes into memory; and to the disk, for they are wanted again.
result<byte_range> cold_tier::bring(const wanted_bytes& what, std::span<const std::byte> blocks, std::size_t good) {
  const byte_range held{what.bytes.begin, what.bytes.begin + good};
  for (std::uint64_t at = held.begin; at < held.end;) {
    auto room = memory_.reserve(what.version, at, held.end - at, what.found.at.tenant, true);
    if (!room) {
      if (room.error().kind != error_kind::invalid_input) return fail(room.error());
      at = std::min(grain_floor(at) + grain_bytes, held.end); // there already
      continue;
    }
    storage::block* const filled = room->operator->();
    net::pin hold(filled);
    const auto into = room->room();
    storage::disk::copy_payload(blocks, static_cast<std::size_t>(at - held.begin), into);
    filled->publish(into.size());
    room->commit(at + into.size() == held.end); // an extent that ends off the grain ends with its object
    disk_.write(what.version, at, {net::slice{-1, 0, into, std::move(hold)}}, what.found.at.tenant);
    at += into.size();
  }
  return held;
}

} // namespace forebay::cache::cold
