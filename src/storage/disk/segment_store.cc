#include "storage/disk/segment_store.h"

#include <algorithm>
#include <future>

#include "base/hash.h"
#include "base/log.h"

namespace forebay::storage::disk {
namespace {

/// How often a writer looks whether there is something to write.
constexpr std::chrono::milliseconds writer_tick{50};
/// Purges that may wait for their turn.
constexpr std::size_t control_queue = 4096;
/// Lost records that the logs could not be told of yet; of further ones an older one may come back after a kill.
constexpr std::size_t lost_limit = 4096;
/// Most that one read brings into memory.
constexpr std::uint64_t read_bytes_max = 1u << 20;

} // namespace

std::uint64_t rendezvous_weight(const key128& shelf, const key128& key) noexcept {
  std::uint64_t mixed = (shelf.prefix() ^ key.prefix()) * 0x9E3779B97F4A7C15ull; // the golden ratio
  mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93ull;
  return mixed ^ (mixed >> 32);
}

segment_store::worked_shelf::worked_shelf(std::unique_ptr<shelf> made, const segment_store_settings& settings)
    : of(std::move(made)),
      time(settings.shelf.time),
      interval(settings.flush_interval),
      readers(std::make_unique<net::worker_pool>(settings.by_hand ? 0 : settings.readers, settings.reads_limit)) {
  if (settings.by_hand) {
    of->set_close_hook([] {});
    return;
  }
  of->set_full_hook([this] { wake.notify_all(); });
  of->set_close_hook([this] {
    const std::lock_guard guard(mutex);
    any_full = true;
    segment_full.notify_all();
  });
  closer = std::thread([this] { close_on(); });
  writer = std::thread([this] { write_on(); });
}

void segment_store::worked_shelf::stop() {
  if (!writer.joinable()) {
    of->finish();
    return;
  }
  {
    const std::lock_guard guard(mutex);
    ends = true;
  }
  wake.notify_all();
  writer.join(); // its last act is to close what is full
  {
    const std::lock_guard guard(mutex);
    closes = false;
  }
  segment_full.notify_all();
  closer.join();
}

void segment_store::worked_shelf::close_on() {
  std::unique_lock lock(mutex);
  while (closes) {
    segment_full.wait(lock, [this] { return any_full || !closes; });
    any_full = false;
    lock.unlock();
    while (of->close_next()) {}
    lock.lock();
  }
}

bool segment_store::worked_shelf::write_what_is_due() {
  bool any = false;
  while (of->worth_writing(time->steady() - interval)) any = of->write_batch() || any;
  return any;
}

void segment_store::worked_shelf::write_on() {
  std::unique_lock lock(mutex);
  while (!ends) {
    wake.wait_for(lock, writer_tick);
    lock.unlock();
    write_what_is_due();
    lock.lock();
  }
  lock.unlock();
  of->finish();
}

segment_store::segment_store(segment_store_settings settings, memory_tier& memory)
    : settings_(settings),
      memory_(memory),
      control_(std::make_unique<net::worker_pool>(settings.by_hand ? 0 : 1, control_queue)) {
  set_keep_check({});
}

segment_store::~segment_store() {
  end_reads();
  for (const auto& each : shelves_) each->stop();
  shelves_.clear();
}

void segment_store::end_reads() {
  control_->submit([this] { log_lost(); });
  control_->end();
  for (const auto& each : shelves_) each->readers->end();
}

bool segment_store::step(worker what, std::size_t shelf) {
  worked_shelf& on = *shelves_.at(shelf);
  switch (what) {
  case worker::reader: return on.readers->run_one();
  case worker::writer: return on.of->write_batch();
  case worker::closer: return on.of->close_next();
  case worker::purger: return control_->run_one();
  case worker::ticker: return on.write_what_is_due();
  }
  return false;
}

segment_store::worked_shelf* segment_store::shelf_for(const key128& key) const noexcept {
  worked_shelf* best = nullptr;
  std::uint64_t best_weight = 0;
  for (const auto& each : shelves_) {
    const std::uint64_t weight = rendezvous_weight(each->of->identity(), key);
    if (best == nullptr || weight > best_weight) {
      best = each.get();
      best_weight = weight;
    }
  }
  return best;
}

std::optional<byte_range> segment_store::find(const version_key& version, byte_range within) {
  return shelf_for(version)->of->find(version, within);
}

net::task<result<byte_range>> segment_store::read(version_key version, byte_range wanted, net::deadline until) {
  wanted.end = std::min(wanted.end, wanted.begin + read_bytes_max);
  const read_key key{version, wanted.begin / block_bytes};
  auto mine = std::make_shared<shared_read>();
  net::event woken;
  bool first = false;
  {
    const std::lock_guard guard(reads_mutex_);
    const auto [at, added] = reads_.try_emplace(key, mine);
    first = added;
    mine = at->second;
    if (!first) mine->waiting.push_back(woken);
  }
  if (first) {
    worked_shelf* const from = shelf_for(version);
    const bool taken = from->readers->submit([this, from, version, wanted, key, mine, woken] {
      end_read(key, mine, read_now(*from->of, version, wanted));
      woken.notify();
    });
    if (!taken) {
      const auto refused = fail(error_kind::exhausted, "disk tier", "too many reads wait for the disk", true);
      end_read(key, mine, refused);
      co_return refused;
    }
  }
  const bool ended = co_await woken.wait(until);
  if (!ended) co_return fail(error_kind::timeout, "disk tier", "the disk did not answer in time", true);
  const std::lock_guard guard(reads_mutex_);
  co_return mine->outcome;
}

void segment_store::end_read(const read_key& key, const std::shared_ptr<shared_read>& mine,
                             result<byte_range> outcome) {
  std::vector<net::event> waiting;
  {
    const std::lock_guard guard(reads_mutex_);
    mine->outcome = std::move(outcome);
    waiting.swap(mine->waiting);
    reads_.erase(key);
  }
  for (const auto& each : waiting) each.notify();
}

result<byte_range> segment_store::read_now(shelf& from, const version_key& version, byte_range wanted) {
  auto run = from.read(version, wanted);
  if (!run) return fail(run.error());
  auto moved = into_memory(*run, version);
  if (!moved) return fail(moved.error());
  return byte_range{wanted.begin, run->range.end};
}

result<void> segment_store::into_memory(const shelf::run& run, const version_key& version) {
  for (std::uint64_t at = run.range.begin; at < run.range.end;) {
    auto room = memory_.reserve(version, at, run.range.end - at, run.tenant);
    if (!room) {
      if (room.error().kind != error_kind::invalid_input) return fail(room.error());
      at = std::min(grain_floor(at) + grain_bytes, run.range.end); // there already
      continue;
    }
    const auto into = room->room();
    run.copy(at, into);
    (*room)->publish(into.size());
    at += into.size();
    room->commit(at == run.range.end); // an extent that ends off the grain ends with its object
  }
  return {};
}

void segment_store::write(const version_key& version, std::uint64_t offset, std::vector<net::slice> bytes,
                          tenant_id tenant) {
  shelf_for(version)->of->offer(version, offset, std::move(bytes), tenant);
}

void segment_store::erase(const version_key& version) {
  control_entry entry;
  entry.kind = control_entry::kind_of::version;
  entry.key = version;
  entry.sequence = stamp();
  shelf_for(version)->of->forget_version(version, entry.sequence);
  control_->submit([this, entry] { append_everywhere(entry); });
}

bool segment_store::erased(const version_key& version) const {
  return shelf_for(version)->of->version_forgotten(version);
}

void segment_store::set_sink(eviction_sink* sink) {
  for (const auto& each : shelves_) each->of->set_sink(sink);
}

void segment_store::put_record(const object_key& object, const version_key& version, std::string encoded, bool kept) {
  shelf_for(object)->of->offer_record(object, version, std::move(encoded), kept);
}

/// Called by a shelf. Nothing of the object is looked for elsewhere; what the log cannot be told holds for this run.
void segment_store::forget_lost(const object_key& object) {
  control_entry entry;
  entry.kind = control_entry::kind_of::object;
  entry.key = object;
  entry.sequence = stamp();
  shelf& of = *shelf_for(object)->of;
  of.forget_object(object, entry.sequence);
  if (of.state_now() != shelf::state::serving) return;
  control_->submit([this, entry] {
    if (unlogged_.size() < lost_limit) unlogged_.push_back(entry);
    log_lost();
  });
}

/// A record is often lost because the disk fails or is full: then the log fails too, and is tried again with the next
/// purge, and at the end. Until it is told, a kill may bring an older record back. That gives no directory up.
void segment_store::log_lost() {
  bool all_told = true;
  for (const auto& each : shelves_) {
    if (unlogged_.empty() || each->of->state_now() != shelf::state::serving) continue;
    all_told = control_log(each->of->in()).append(unlogged_).has_value() && all_told;
  }
  if (all_told) unlogged_.clear();
}

/// A directory was given up. What it does not hear of from now on must not be undone by it: the others remember who is
/// left, and the next start empties it.
/// Before the list gets its sequence number: an index that is kept from then on is of these directories.
void segment_store::tell_members() {
  std::vector<key128> serving;
  for (const auto& each : shelves_) {
    if (each->of->state_now() != shelf::state::off) serving.push_back(each->of->identity());
  }
  const std::uint64_t fingerprint = members_fingerprint(std::move(serving));
  for (const auto& each : shelves_) each->of->set_members(fingerprint);
}

void segment_store::remember_members() {
  control_entry entry;
  entry.kind = control_entry::kind_of::members;
  for (const auto& each : shelves_) {
    if (each->of->state_now() == shelf::state::off) continue;
    entry.text += (entry.text.empty() ? "" : ",") + hex(each->of->identity().bytes);
  }
  if (entry.text.empty()) return;
  tell_members();
  entry.sequence = stamp();
  append_everywhere(entry);
}

void segment_store::set_keep_check(keep_check check) {
  kept_.set_question([this, check = std::move(check)](const object_key& object, std::uint64_t version_prefix) {
    const auto record = shelf_for(object)->of->read_record(object);
    if (!record || !record->kept || record->version_prefix != version_prefix) return false;
    return !check || check({record->encoded, record->sequence});
  });
}

bool segment_store::may_have_record(const object_key& object) const {
  return shelf_for(object)->of->has_record(object);
}

net::task<result<std::optional<stored_record>>> segment_store::find_record(object_key object, net::deadline until) {
  using answer = std::optional<stored_record>;
  worked_shelf* const from = shelf_for(object);
  std::function<result<answer>()> work = [from, object]() -> result<answer> {
    auto found = from->of->read_record(object);
    if (found) return answer(stored_record{std::move(found->encoded), found->sequence});
    if (found.error().kind == error_kind::not_found) return answer{};
    return fail(found.error());
  };
  auto outcome = co_await net::offload<answer>(*from->readers, until, std::move(work));
  co_return outcome;
}

net::task<result<void>> segment_store::put_tombstone(object_key object, net::deadline until) {
  control_entry entry;
  entry.kind = control_entry::kind_of::object;
  entry.key = object;
  entry.sequence = stamp();
  shelf_for(object)->of->forget_object(object, entry.sequence);
  auto logged = co_await log_purge(std::move(entry), until);
  co_return logged;
}

net::task<result<void>> segment_store::put_rule(std::string text, net::deadline until) {
  control_entry entry;
  entry.kind = control_entry::kind_of::rule;
  entry.text = std::move(text);
  {
    const std::lock_guard guard(rules_mutex_);
    entry.sequence = stamp();
    rules_.push_back({entry.sequence, entry.text});
  }
  auto logged = co_await log_purge(std::move(entry), until);
  co_return logged;
}

net::task<result<void>> segment_store::log_purge(control_entry entry, net::deadline until) {
  struct nothing {};
  std::function<result<nothing>()> work = [this, entry = std::move(entry)]() -> result<nothing> {
    auto appended = append_everywhere(entry);
    if (!appended) return fail(appended.error());
    return nothing{};
  };
  auto outcome = co_await net::offload<nothing>(*control_, until, std::move(work));
  if (!outcome) co_return fail(outcome.error());
  co_return result<void>{};
}

/// Every directory must know of a purge: one that cannot be told is used no more.
result<void> segment_store::append_everywhere(const control_entry& entry) {
  log_lost();
  for (const auto& each : shelves_) {
    if (each->of->state_now() == shelf::state::off) continue;
    auto appended = control_log(each->of->in()).append({entry});
    if (!appended) each->of->give_up("a purge could not be written: " + appended.error().context);
  }
  const bool known = std::any_of(shelves_.begin(), shelves_.end(),
                                 [](const auto& each) { return each->of->state_now() != shelf::state::off; });
  if (known) return {};
  return fail(error_kind::broken, "disk tier", "no directory is left to remember the purge; it holds until a restart");
}

std::vector<purge_rule> segment_store::rules() const {
  const std::lock_guard guard(rules_mutex_);
  return rules_;
}

tenant_id segment_store::tenant_of(std::string_view name) {
  auto number = tenants_.of(name);
  if (!number.made) return number.id;
  number.made->sequence = stamp();
  // A number that no log knows would be given to somebody else in the next run: its bytes would count for them.
  std::promise<result<void>> logged;
  const bool accepted = control_->submit([&] { logged.set_value(append_everywhere(*number.made)); });
  const auto done =
      accepted ? logged.get_future().get() : fail(error_kind::exhausted, "disk tier", "too many purges wait");
  if (!done) log::warn("disk", "the number of namespace {} is not kept: {}", name, done.error().context);
  return number.id;
}

void segment_store::set_quotas(const std::map<tenant_id, std::uint64_t>& bytes) {
  const auto count = static_cast<std::uint64_t>(shelves_.size());
  for (tenant_id id = 0; id <= segment_index::tenant_max; ++id) {
    const auto found = bytes.find(id);
    // Rounded up: a quota that is smaller than the number of directories is still one.
    const std::uint64_t share = found == bytes.end() ? 0 : (found->second + count - 1) / count;
    for (const auto& each : shelves_) each->of->set_quota(id, share);
  }
}

std::uint64_t segment_store::tenant_bytes(tenant_id tenant) const noexcept {
  std::uint64_t bytes = 0;
  for (const auto& each : shelves_) bytes += each->of->tenant_bytes(tenant);
  return bytes;
}

std::uint64_t segment_store::tenant_quota(tenant_id tenant) const noexcept {
  std::uint64_t bytes = 0;
  for (const auto& each : shelves_) bytes += each->of->quota(tenant);
  return bytes;
}

} // namespace forebay::storage::disk
