#include "cache/cold/place.h"

#include <algorithm>

#include "base/log.h"
#include "cache/engine.h"
#include "net/loop.h"
#include "origin/answer.h"
#include "origin/gate.h"

namespace forebay::cache::cold {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Failures in a row after which the store is left alone, and for how long: doubling from the first to the last.
constexpr unsigned failures_limit = 3;
constexpr milliseconds patience_least{5'000}, patience_most{300'000};
/// A store that takes no more (403, 507) is not written to for this long.
constexpr milliseconds refused_pause{60'000};
/// What has been gathered is written after this long, however little it is.
constexpr milliseconds gather_wait{5'000};
/// How often `tend` looks what is due.
constexpr milliseconds tend_interval{1'000};
/// One pack's way into the store, and how often it is tried.
constexpr milliseconds write_timeout{30'000};
constexpr unsigned write_tries = 3;
/// Of an answer to a write: its words are not needed, its connection is.
constexpr std::size_t answer_bytes = 16 * 1024;

/// So that the connection can be used again.
net::task<void> read_away(std::unique_ptr<http::client_body> body) {
  if (body == nullptr) co_return;
  const std::string words = co_await origin::read_some_text(body.get(), answer_bytes);
}

} // namespace

place::place(std::shared_ptr<place_context> context, place_settings settings)
    : counts(settings.label),
      context_(std::move(context)),
      tenant_(settings.tenant),
      readable_(std::make_shared<std::atomic<bool>>(false)),
      permits_(std::make_shared<origin::limiter>(settings.connections)),
      settings_(std::move(settings)) {
  show();
}

place_settings place::settings() const {
  const std::lock_guard guard(mutex_);
  return settings_;
}

void place::update(place_settings settings) {
  permits_->set_limit(settings.connections);
  const std::lock_guard guard(mutex_);
  settings_ = std::move(settings);
}

void place::set_state(state next) {
  if (state_.load() == state::ended) return;
  const bool changed = state_.exchange(next, std::memory_order_acq_rel) != next;
  readable_->store(next == state::serving, std::memory_order_release);
  counts.up.set(next == state::serving ? 1 : 0);
  if (!changed) return;
  const auto of = settings();
  if (next == state::serving) log::info("cold", "{}: the cold tier at {} is used", of.label, of.store->name());
  if (next == state::away) log::warn("cold", "{}: the cold tier at {} does not answer", of.label, of.store->name());
}

void place::end() {
  set_state(state::ended);
  std::vector<std::shared_ptr<pack>> all;
  {
    const std::lock_guard guard(mutex_);
    all.assign(packs_.begin(), packs_.end());
    all.insert(all.end(), waiting_.begin(), waiting_.end());
    for (const auto& each : waiting_) waits(-static_cast<std::int64_t>(each->size_bytes));
    packs_.clear();
    waiting_.clear();
    unread_.clear();
    doomed_.clear();
    held_bytes_ = 0;
    if (wake_) wake_->notify();
    wake_.reset(); // its loop may end before a writer of the disk comes by once more
  }
  for (const auto& each : all) context_->table.remove(*each);
  {
    const std::lock_guard guard(gather_mutex_);
    waits(-static_cast<std::int64_t>(builder_.size_bytes()));
    if (gathering_ != nullptr) context_->table.remove(*gathering_);
    gathering_.reset();
    builder_ = {};
  }
  show();
}

bool place::read_whole() const {
  const std::lock_guard guard(mutex_);
  return state_now() == state::refused || (listed_ && unread_.empty());
}

bool place::wants(std::uint64_t bytes) {
  const std::uint64_t length = storage::disk::stored_bytes(bytes);
  if (state_now() != state::serving) {
    counts.dropped_away.add(bytes);
    return false;
  }
  {
    const std::lock_guard guard(mutex_);
    if (writes_at_ > context_->time.steady()) {
      counts.dropped_refused.add(bytes);
      return false;
    }
  }
  if (context_->queued_bytes.load() + length <= context_->queue_bytes) return true;
  counts.dropped_queue.add(bytes);
  return false;
}

void place::take(const storage::version_key& version, std::uint64_t offset, std::span<const std::byte> bytes) {
  bool full = false;
  {
    const std::lock_guard guard(gather_mutex_);
    if (state_now() == state::ended) return;
    if (gathering_ == nullptr) gathering_ = begin_pack();
    const std::size_t before = builder_.size_bytes();
    const auto row = builder_.add(version, offset, bytes, tenant_);
    waits(static_cast<std::int64_t>(builder_.size_bytes() - before));
    context_->table.add(*gathering_, row);
    full = builder_.size_bytes() >= context_->pack_bytes;
  }
  if (!full) return;
  seal();
  const std::lock_guard guard(mutex_);
  if (wake_) wake_->notify();
}

std::optional<std::string> place::gathered(const pack& from, byte_range within) const {
  const std::lock_guard guard(gather_mutex_);
  if (gathering_.get() != &from) return std::nullopt;
  return std::string(builder_.part(within));
}

/// Its extents are found from the first one on: in memory until it is stored.
std::shared_ptr<pack> place::begin_pack() {
  auto made = std::make_shared<pack>();
  made->name = {context_->stores.front().substr(0, 16), seconds_now(), context_->stamp()};
  made->in = weak_from_this();
  made->readable = readable_;
  context_->table.enter(made);
  gathering_since_ = context_->time.steady();
  return made;
}

std::uint32_t place::seconds_now() const {
  const auto since = std::chrono::floor<seconds>(context_->time.wall().time_since_epoch()).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(0, since));
}

/// What was gathered waits to be written, when it is enough or has been there for long.
void place::seal() {
  const std::lock_guard one_at_a_time(gather_mutex_);
  if (gathering_ == nullptr) return;
  const bool due =
      builder_.size_bytes() >= context_->pack_bytes || context_->time.steady() - gathering_since_ >= gather_wait;
  if (!due) return;
  const std::size_t before = builder_.size_bytes();
  std::string text = builder_.finish(gathering_->name.number);
  gathering_->size_bytes = text.size();
  gathering_->set_body(net::make_slice(std::move(text)));
  waits(static_cast<std::int64_t>(gathering_->size_bytes - before));
  const std::lock_guard guard(mutex_);
  waiting_.push_back(std::exchange(gathering_, nullptr));
}

std::shared_ptr<pack> place::next_waiting() const {
  const std::lock_guard guard(mutex_);
  const bool may = state_now() == state::serving && writes_at_ <= context_->time.steady();
  return waiting_.empty() || !may ? nullptr : waiting_.front();
}

void place::drop_waiting(const std::shared_ptr<pack>& which, metrics::counter& because, bool maybe_there) {
  context_->table.remove(*which);
  because.add(which->size_bytes);
  const std::lock_guard guard(mutex_);
  tries_ = 0;
  if (std::erase(waiting_, which) == 0) return;
  waits(-static_cast<std::int64_t>(which->size_bytes));
  if (!maybe_there) return;
  doomed_.emplace_back(which->name.key(), which->size_bytes); // an answer that was lost: the store may have it
  held_bytes_ += which->size_bytes;
}

void place::stored(const std::shared_ptr<pack>& which) {
  counts.written_bytes.add(which->size_bytes);
  {
    const std::lock_guard guard(mutex_);
    tries_ = 0;
    if (std::erase(waiting_, which) == 0) return;
    packs_.push_back(which);
    held_bytes_ += which->size_bytes;
  }
  which->set_body({});
  waits(-static_cast<std::int64_t>(which->size_bytes));
}

std::shared_ptr<pack> place::oldest() const {
  const std::lock_guard guard(mutex_);
  return packs_.empty() ? nullptr : packs_.front();
}

/// From the books: its object is another matter.
void place::forget(const std::shared_ptr<pack>& which) {
  context_->table.remove(*which);
  const std::lock_guard guard(mutex_);
  std::erase(unread_, which);
  if (std::erase(packs_, which) > 0) held_bytes_ -= which->size_bytes;
}

void place::lost(const std::shared_ptr<pack>& gone) {
  forget(gone);
  log::warn("cold", "{}: the store lost {}", settings().label, gone->name.key());
}

void place::succeeded() noexcept {
  const std::lock_guard guard(mutex_);
  failures_ = 0;
}

void place::failed(const error& why) noexcept {
  {
    const std::lock_guard guard(mutex_);
    if (++failures_ < failures_limit) return;
    failures_ = 0;
  }
  if (state_now() != state::serving) return;
  log::warn("cold", "{}", why.message());
  leave_alone();
  set_state(state::away);
}

/// Until the next probe, which comes later each time that one fails.
void place::leave_alone() noexcept {
  const std::lock_guard guard(mutex_);
  patience_ = std::clamp(patience_ * 2, patience_least, patience_most);
  probe_at_ = context_->time.steady() + patience_;
}

bool place::expired(const pack& one) const {
  const auto age = seconds(std::int64_t{seconds_now()} - one.name.created);
  return age > settings().lifetime;
}

net::task<result<std::string>> place::fetch(std::shared_ptr<pack> from, byte_range within, net::deadline until) {
  const auto self = shared_from_this();
  const auto store = self->settings().store;
  const auto permit = co_await self->permits_->acquire(until);
  if (!permit) {
    self->counts.busy.add();
    co_return fail(error_kind::exhausted, store->name(), "too many reads wait for the cold tier", true);
  }
  origin::read_request asked;
  asked.key = from->name.key();
  asked.range = http::range_spec{within.begin, within.end - 1};
  asked.until = until;
  asked.may_retry = false;
  auto answer = co_await store->read(std::move(asked));
  error failure;
  if (answer) {
    if (answer->range && *answer->range == within && answer->body != nullptr) {
      auto text = co_await origin::read_whole(answer->body.get(), within.length_bytes(), store->name(), until);
      if (text && text->size() == within.length_bytes()) {
        self->succeeded();
        co_return std::move(*text);
      }
      failure = text ? error{error_kind::broken, store->name(), "the answer is too short", true} : text.error();
    } else {
      failure = {error_kind::broken, store->name(), "another range than the one that was asked for", true};
    }
  } else {
    failure = std::move(answer.error());
  }
  const bool absent = failure.kind == error_kind::not_found || failure.kind == error_kind::gone ||
                      failure.kind == error_kind::range_unsatisfiable;
  if (absent) {
    self->succeeded();
    co_return fail(error_kind::not_found, store->name(), "the pack is not there");
  }
  self->counts.read_errors.add();
  self->failed(failure);
  co_return fail(std::move(failure));
}

net::task<result<void>> place::put(std::shared_ptr<place> self, std::string key, net::slice body,
                                   http::header_table fields) {
  const auto store = self->settings().store;
  origin::write_request asked;
  asked.method = "PUT";
  asked.key = std::move(key);
  asked.fields = std::move(fields);
  asked.length_bytes = body.length_bytes();
  asked.body = http::make_body(std::move(body));
  asked.until = net::deadline::after(write_timeout);
  auto answer = co_await store->write(std::move(asked));
  error failure;
  if (answer) {
    const unsigned status = answer->head.status;
    co_await read_away(std::move(answer->body));
    if (status >= 200 && status < 300) {
      self->succeeded();
      co_return result<void>{};
    }
    failure = origin::classify_status(status, answer->head.fields, {}, store->name(), self->context_->time.wall());
    if (status == 507) failure.kind = error_kind::exhausted; // RFC 4918 §11.5: it is full, not ill
  } else {
    failure = std::move(answer.error());
  }
  self->counts.write_errors.add();
  co_return fail(std::move(failure));
}

net::task<bool> place::remove(std::shared_ptr<place> self, std::string key, std::uint64_t bytes) {
  const auto store = self->settings().store;
  origin::write_request asked;
  asked.method = "DELETE";
  asked.key = key;
  asked.until = net::deadline::after(write_timeout);
  auto answer = co_await store->write(std::move(asked));
  unsigned status = 0;
  if (answer) {
    status = answer->head.status;
    co_await read_away(std::move(answer->body));
  }
  const bool gone = (status >= 200 && status < 300) || status == 404 || status == 410;
  if (gone) co_return true;
  self->counts.delete_errors.add();
  if (!answer && says_nothing_of_the_object(answer.error().kind)) self->failed(answer.error());
  const std::lock_guard guard(self->mutex_);
  self->doomed_.emplace_back(std::move(key), bytes); // again, later
  self->held_bytes_ += bytes;
  co_return false;
}

/// Deletes the oldest packs until so many bytes more are within the size. False when that cannot be.
net::task<bool> place::make_room(std::shared_ptr<place> self, std::uint64_t bytes) {
  for (;;) {
    {
      const std::lock_guard guard(self->mutex_);
      if (self->held_bytes_ + bytes <= self->settings_.size_bytes) co_return true;
    }
    const auto gone = self->oldest();
    if (gone == nullptr) co_return false;
    self->forget(gone);
    self->counts.displaced.add();
    std::string key = gone->name.key();
    const bool removed = co_await remove(self, std::move(key), gone->size_bytes);
    if (!removed) co_return false;
  }
}

net::task<void> place::write_waiting(std::shared_ptr<place> self) {
  self->seal();
  while (const auto next = self->next_waiting()) {
    const bool room = co_await make_room(self, next->size_bytes);
    if (!room) {
      self->drop_waiting(next, self->counts.dropped_refused, false);
      continue;
    }
    std::string key = next->name.key();
    net::slice body = next->body();
    http::header_table fields;
    auto done = co_await put(self, std::move(key), std::move(body), std::move(fields));
    if (done) {
      self->stored(next);
      continue;
    }
    if (says_nothing_of_the_object(done.error().kind)) {
      self->failed(done.error());
      bool again = false;
      {
        const std::lock_guard guard(self->mutex_);
        again = ++self->tries_ < write_tries;
      }
      if (again) co_return; // with the next round
      self->drop_waiting(next, self->counts.dropped_away, true);
      continue;
    }
    const auto of = self->settings();
    log::warn("cold", "{}: the cold tier takes no more for a while: {}", of.label, done.error().message());
    {
      const std::lock_guard guard(self->mutex_);
      self->writes_at_ = self->context_->time.steady() + refused_pause;
    }
    self->drop_waiting(next, self->counts.dropped_refused, false);
  }
}

/// Deletes what is too old, what the index has no room for, and what should have been deleted before.
net::task<void> place::sweep(std::shared_ptr<place> self) {
  while (const auto first = self->oldest()) {
    const bool old = self->expired(*first);
    const bool crowded = self->context_->table.memory_bytes() > self->context_->index_bytes;
    if (!old && !crowded) break;
    self->forget(first);
    (old ? self->counts.expired : self->counts.displaced).add();
    std::string key = first->name.key();
    const bool removed = co_await remove(self, std::move(key), first->size_bytes);
    if (!removed) co_return;
  }
  std::vector<std::pair<std::string, std::uint64_t>> again;
  {
    const std::lock_guard guard(self->mutex_);
    again.swap(self->doomed_);
    for (const auto& [key, bytes] : again) self->held_bytes_ -= bytes;
  }
  for (auto& [key, bytes] : again) {
    if (self->state_now() == state::serving) {
      co_await remove(self, key, bytes);
    } else {
      const std::lock_guard guard(self->mutex_);
      self->held_bytes_ += bytes;
      self->doomed_.emplace_back(std::move(key), bytes);
    }
  }
}

net::task<void> place::round(std::shared_ptr<place> self) {
  if (self->state_now() != state::serving) co_await open(self);
  if (self->state_now() == state::serving) co_await check_marker(self);
  if (self->state_now() == state::serving) co_await load_packs(self);
  if (self->state_now() == state::serving) co_await write_waiting(self);
  if (self->state_now() == state::serving) co_await sweep(self);
  self->show();
}

net::task<void> place::tend(std::shared_ptr<place> self) {
  const net::event wake;
  {
    const std::lock_guard guard(self->mutex_);
    self->wake_ = wake;
  }
  while (self->state_now() != state::ended) {
    co_await round(self);
    co_await wake.wait(net::deadline::after(tend_interval));
  }
}

/// More or less waits to be written: for the bound of all places, and for the metric of this one.
void place::waits(std::int64_t bytes) noexcept {
  context_->queued_bytes.fetch_add(static_cast<std::uint64_t>(bytes));
  counts.queued_bytes.add(bytes);
}

void place::show() {
  const std::lock_guard guard(mutex_);
  counts.held_bytes.set(static_cast<std::int64_t>(held_bytes_));
  counts.packs.set(static_cast<std::int64_t>(packs_.size()));
  counts.up.set(state_now() == state::serving ? 1 : 0);
}

} // namespace forebay::cache::cold
