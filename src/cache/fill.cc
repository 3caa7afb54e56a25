#include "cache/fill.h"

#include <algorithm>

#include "base/log.h"
#include "cache/version.h"
#include "origin/checked_body.h"

namespace forebay::cache {
namespace {

using std::chrono::milliseconds;

/// Asked of the body at a time: several receive buffers, so that a fast origin costs few turns of the loop.
constexpr std::size_t read_bytes = 512 * 1024;
/// The first time less: memory is found for all that is asked for, and somebody waits.
constexpr std::size_t first_read_bytes = 64 * 1024;
/// Skipped at a time.
constexpr std::size_t skip_bytes = 256 * 1024;
/// What a reader on another loop is woken for at least.
constexpr std::uint64_t wake_bytes = 64 * 1024;
/// So much may come without a wait before others on the loop get their turn: a reader shall have the first byte before
/// the fill has a window, and send what is still in the processor's cache.
constexpr std::uint64_t turn_bytes = 256 * 1024;
/// A fill whose last reader left waits this long for another before it ends: a client that comes back with
/// the next range finds its transfer still open.
constexpr milliseconds linger{1'000};
/// So little left to come costs less than giving the connection up.
constexpr std::uint64_t finish_bytes = 1u << 20;
/// Room made for a body whose length is not known.
constexpr std::uint64_t unknown_bytes = 64 * 1024;
/// Blocks behind the front that stay pinned for the readers that follow closely.
constexpr std::size_t recent_limit_bytes = 4u << 20;
/// How long a fill waits for memory when every block is pinned by slow readers.
constexpr milliseconds room_timeout{30'000};
constexpr milliseconds room_poll{20};
constexpr milliseconds pause_poll{100};
/// "Failure elects one retry" (design §5): one for a failure, not for a whole long transfer. An attempt that brought
/// this much is none of them.
constexpr unsigned attempts_per_fill = 2;
constexpr std::uint64_t progress_bytes = 1u << 20;

} // namespace

fill::fill(std::shared_ptr<engine> shared, std::shared_ptr<version> of, std::vector<binding> origins,
           byte_range planned, bool ahead)
    : engine_(std::move(shared)),
      version_(std::move(of)),
      origins_(std::move(origins)),
      begin_(planned.begin),
      ahead_(ahead),
      end_(planned.end),
      frontier_(planned.begin),
      body_end_(planned.end) {
  engine_->active_fills.fetch_add(1, std::memory_order_relaxed);
  engine_->counts.fills_started.add();
  end_known_ = planned.end != version::length_unknown;
}

fill::~fill() { engine_->active_fills.fetch_sub(1, std::memory_order_relaxed); }

result<void> fill::outcome() const {
  const std::lock_guard lock(mutex_);
  return outcome_;
}

void fill::shrink(std::uint64_t end) noexcept {
  std::uint64_t now = end_.load(std::memory_order_acquire);
  while (end < now && !end_.compare_exchange_weak(now, end)) {}
}

bool fill::extend(std::uint64_t until) noexcept {
  const std::lock_guard lock(mutex_);
  if (asked_) return false;
  if (until > end_.load(std::memory_order_relaxed)) end_.store(until, std::memory_order_release);
  return true;
}

void fill::mark_asked() noexcept {
  const std::lock_guard lock(mutex_);
  asked_ = true;
}

void fill::attach(const std::shared_ptr<mark>& reader) {
  {
    const std::lock_guard lock(mutex_);
    marks_.push_back(reader);
  }
  engine_->followers.fetch_add(1, std::memory_order_relaxed);
  if (paused_.load(std::memory_order_acquire)) resume_.notify();
}

void fill::detach(const std::shared_ptr<mark>& reader) noexcept {
  const std::lock_guard lock(mutex_);
  if (std::erase(marks_, reader) > 0) engine_->followers.fetch_sub(1, std::memory_order_relaxed);
}

void fill::advanced(const mark& reader) noexcept {
  if (!paused_.load(std::memory_order_acquire)) return;
  const auto window = engine_->limits_now()->fill_window_bytes;
  if (frontier() < reader.position.load(std::memory_order_relaxed) + window) resume_.notify();
}

std::size_t fill::followers() const noexcept {
  const std::lock_guard lock(mutex_);
  return marks_.size();
}

bool fill::has_readers() const noexcept { return followers() > 0; }

/// To him for whom it was begun, whoever reads it in the end.
void fill::charge(std::uint64_t bytes) {
  const auto limit = engine_->limits_now()->unread_bytes_per_client;
  engine_->unread.fetched(origins_.front().client, bytes, limit, engine_->time.steady());
}

std::uint64_t fill::run_limit() const noexcept {
  if (ahead_) return UINT64_MAX;
  const std::lock_guard lock(mutex_);
  std::uint64_t fastest = begin_;
  for (const auto& each : marks_) fastest = std::max(fastest, each->position.load(std::memory_order_relaxed));
  return fastest + engine_->limits_now()->fill_window_bytes;
}

void fill::wake_readers(bool all) {
  const std::uint64_t front = frontier();
  if (!all && front - woken_at_ < wake_bytes && woken_at_ != begin_) return;
  woken_at_ = front;
  const std::lock_guard lock(mutex_);
  for (const auto& each : marks_) {
    if (!each->waiting.load(std::memory_order_acquire)) continue;
    if (all || each->position.load(std::memory_order_relaxed) < front) each->wake.notify();
  }
}

void fill::advance_to(std::uint64_t frontier) {
  frontier_.store(frontier, std::memory_order_release);
  wake_readers(false);
}

void fill::finish(result<void> how) {
  {
    const std::lock_guard lock(mutex_);
    outcome_ = std::move(how);
    asked_ = true;
  }
  ended_.store(true, std::memory_order_release);
  version_->remove_fill(this);
  wake_readers(true);
  drop_recent();
}

void fill::drop_recent() noexcept {
  recent_.clear();
  recent_bytes_ = 0;
}

/// A version that the origin does not pin is not found again after a restart.
bool fill::lasting() const { return engine_->lower != nullptr && version_->pinned(); }

void fill::commit_block(bool reaches_end) {
  if (!block_) return;
  storage::block* const filled = block_.operator->();
  net::pin hold(filled);
  const std::size_t bytes = filled->ready_bytes();
  const std::byte* const begin = filled->writable().data() - bytes;
  block_.commit(reaches_end);
  // Not what the block says now: one that was forgotten (nothing left of it, or erased meanwhile) still tells all.
  const std::size_t whole = reaches_end ? bytes : grain_floor(bytes);
  if (lasting() && whole > 0) {
    engine_->lower->write(version_->key(), filled->offset(), {net::slice{-1, 0, {begin, whole}, hold}},
                          origins_.front().tenant);
  }
  block_ = {};
  recent_.push_back(std::move(hold));
  recent_bytes_ += bytes;
  while (recent_bytes_ > recent_limit_bytes && recent_.size() > 1) {
    recent_bytes_ -= static_cast<storage::block*>(recent_.front().get())->ready_bytes();
    recent_.pop_front();
  }
}

/// Ends the last block. What does not fill a grain is given back, and the frontier says so: a reader who waits there
/// must hear how the fill ended, not be told that his byte has come.
void fill::commit_rest() {
  const std::uint64_t front = frontier();
  const bool reaches_end = front == version_->length();
  if (block_ && !reaches_end) frontier_.store(std::max(begin_, grain_floor(front)), std::memory_order_release);
  commit_block(reaches_end);
}

/// True when the fill may read on, false when nobody is left to read for.
net::task<result<bool>> fill::wait_for_room(std::uint64_t at) {
  steady_time alone_since{};
  for (;;) {
    if (ahead_) co_return true;
    const bool read_by_someone = has_readers();
    const std::uint64_t left = end() - std::min(end(), at);
    if (read_by_someone && at < run_limit()) co_return true;
    if (!read_by_someone && end_known_ && left <= finish_bytes) co_return true;
    if (read_by_someone) {
      alone_since = {};
    } else {
      const auto now = std::chrono::steady_clock::now();
      if (alone_since == steady_time{}) alone_since = now;
      if (now - alone_since >= linger) co_return false;
    }
    // Nobody follows closely now, and many fills that pause must not be what fills the memory of those that move.
    drop_recent();
    paused_.store(true, std::memory_order_release);
    co_await resume_.wait(net::deadline::after(pause_poll));
    paused_.store(false, std::memory_order_release);
  }
}

/// Makes `block_` ready for bytes at `at`. False when somebody else's bytes are there: skip them.
net::task<result<bool>> fill::reserve(std::uint64_t at) {
  const auto until = net::deadline::after(room_timeout);
  for (;;) {
    if (engine_->memory.covers(version_->key(), at)) co_return false;
    // Of a body whose length nobody said as much again as came already: most are short.
    const std::uint64_t likely = end_known_ ? end() - at : std::max(unknown_bytes, at);
    const std::uint64_t wanted = std::min<std::uint64_t>(likely, engine_->memory.settings().block_bytes);
    auto made = engine_->memory.reserve(version_->key(), at, wanted, origins_.front().tenant, lasting());
    if (made) {
      block_ = std::move(*made);
      co_return true;
    }
    // Another fill may have covered the offset since we looked: the next look sees it.
    const bool taken = made.error().kind == error_kind::invalid_input && engine_->memory.covers(version_->key(), at);
    if (taken) co_return false;
    if (made.error().kind != error_kind::exhausted || until.passed()) co_return fail(made.error());
    // What is pinned for comfort alone goes first: many fills that wait for room must not be what fills it.
    drop_recent();
    co_await net::sleep_for(room_poll);
  }
}

/// Reads `count` bytes of the body away; false at its end.
net::task<result<bool>> fill::skip(http::client_body& body, std::uint64_t count) {
  std::vector<std::byte> sink(static_cast<std::size_t>(std::min<std::uint64_t>(count, skip_bytes)));
  while (count > 0) {
    const auto part = std::span(sink).first(static_cast<std::size_t>(std::min<std::uint64_t>(count, sink.size())));
    auto got = co_await body.read_some(part);
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return false;
    charge(*got);
    count -= *got;
  }
  co_return true;
}

/// Moves the body's bytes into blocks until the plan's end, the body's end, or nobody reads any more.
net::task<result<fill::pumped>> fill::pump(http::client_body& body, std::uint64_t body_at) {
  std::uint64_t at = frontier();
  std::uint64_t turn_at = at; // the first bytes go out as they are: somebody waits for them
  if (body_at < at) {
    auto skipped = co_await skip(body, at - body_at);
    if (!skipped) co_return fail(skipped.error());
    if (!*skipped) co_return pumped::out_of_body;
  }
  while (at < end()) {
    auto room = co_await wait_for_room(at);
    if (!room) co_return fail(room.error());
    if (!*room) co_return pumped::idle;
    if (!block_) {
      auto reserved = co_await reserve(at);
      if (!reserved) co_return fail(reserved.error());
      if (!*reserved) {
        // Held already (another fill was faster): the transfer runs over it to the next grain.
        const std::uint64_t next = std::min(grain_floor(at) + grain_bytes, end());
        auto skipped = co_await skip(body, next - at);
        if (!skipped) co_return fail(skipped.error());
        if (!*skipped) co_return pumped::out_of_body;
        at = next;
        advance_to(at);
        continue;
      }
    }
    const std::uint64_t most = std::min<std::uint64_t>(at == begin_ ? first_read_bytes : read_bytes, end() - at);
    const auto room_in_block = block_.room(static_cast<std::size_t>(most));
    auto got = co_await body.read_some(room_in_block);
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return pumped::out_of_body;
    charge(*got);
    block_->publish(*got);
    at += *got;
    if (block_->ready_bytes() == block_->capacity_bytes()) commit_block(at == version_->length());
    advance_to(at);
    if (at < turn_at) continue;
    turn_at = at + turn_bytes;
    co_await net::yield();
  }
  co_return pumped::done;
}

/// A pinned request for what is left, at origin number `which`.
net::task<result<std::pair<std::unique_ptr<http::client_body>, std::uint64_t>>> fill::ask(std::size_t which) {
  std::uint64_t last;
  {
    const std::lock_guard lock(mutex_);
    asked_ = true;
    last = end_.load(std::memory_order_relaxed) - 1;
  }
  const auto limits = engine_->limits_now();
  const binding& at = origins_[which];
  origin::read_request wanted;
  wanted.key = at.key;
  wanted.query = at.query;
  wanted.token = at.token;
  wanted.range = http::range_spec{frontier(), last};
  wanted.pin = version_->pinned();
  wanted.pin_length_bytes = version_->length();
  wanted.until = net::deadline::after(limits->read_timeout);
  auto answer = co_await at.source->read(std::move(wanted));
  if (!answer) co_return fail(answer.error());
  if (answer->length_bytes && *answer->length_bytes != version_->length()) {
    co_return fail(error_kind::changed, at.source->name(), "the object has another length now");
  }
  if (answer->status != 200 && answer->status != 206) {
    co_return fail(error_kind::broken, at.source->name(),
                   "answered a pinned range with status " + std::to_string(answer->status));
  }
  version_->set_whole_only(!answer->range);
  const std::uint64_t begins = answer->range ? answer->range->begin : 0;
  if (begins > frontier()) co_return fail(error_kind::broken, at.source->name(), "the range begins too late");
  body_end_ = answer->range ? answer->range->end : version_->length();
  co_return std::pair{std::move(answer->body), begins};
}

/// What came is not the object: none of it may be read again, from either tier. Which bytes are wrong nobody knows, so
/// the rest must not be asked for either.
void fill::disown(const error& why) {
  version_->set_broken(why);
  block_ = {};
  engine_->memory.erase(version_->key());
  if (lasting()) engine_->lower->erase(version_->key()); // the cold tier asks there
}

net::task<result<void>> fill::transfer(std::unique_ptr<http::client_body> body, std::uint64_t body_at) {
  error failure;
  for (unsigned attempt = 0; attempt < attempts_per_fill; ++attempt) {
    if (attempt > 0) engine_->counts.fills_retried.add();
    // The object's own origin first; a mirror may go on only where validator and length agree (`ask`).
    for (std::size_t which = 0; body == nullptr && which < origins_.size(); ++which) {
      auto asked = co_await ask(which);
      if (asked) {
        body = std::move(asked->first);
        body_at = asked->second;
        break;
      }
      const bool first_word = which == 0 || failure.source.empty();
      if (first_word) failure = asked.error();
      if (which == 0 && !asked.error().retryable) break;
    }
    if (body == nullptr) break; // sources retry by themselves: asking at once again would only add load
    const std::uint64_t before = frontier();
    auto moved = co_await pump(*body, body_at);
    if (frontier() - before >= progress_bytes) attempt = 0;
    if (moved && *moved == pumped::done) {
      // Lets the transfer end properly, so that its connection can be used again.
      if (end() == body_end_) {
        std::byte none;
        auto tail = co_await body->read_some(std::span(&none, 1));
        if (tail && *tail != 0) co_return fail(error_kind::broken, "origin", "sent more bytes than it announced");
      }
      co_return result<void>{};
    }
    if (moved && *moved == pumped::idle) {
      engine_->counts.fills_ended_early.add();
      co_return result<void>{};
    }
    if (moved && !end_known_) {
      version_->set_length(frontier());
      co_return result<void>{};
    }
    failure = moved ? error{error_kind::broken, origins_.front().source->name(), "the body ended early", true, 0, {}}
                    : moved.error();
    body.reset();
    const bool damaged = origin::is_checksum_mismatch(failure);
    const bool hopeless = !version_->pinned() || !end_known_ || failure.kind == error_kind::exhausted;
    if (damaged) disown(failure);
    if (damaged || hopeless) break;
  }
  if (failure.kind == error_kind::changed) version_->set_changed();
  co_return fail(std::move(failure));
}

/// Its loop ended while the transfer waited, and destroys its frame: version and fill, which hold each other, part,
/// and the block is given back. Nobody is woken: those who waited are ending as well.
void fill::abandon() noexcept {
  if (ended()) return;
  ended_.store(true, std::memory_order_release);
  block_ = {};
  drop_recent();
  version_->remove_fill(this);
}

net::task<void> fill::run(std::shared_ptr<fill> self, std::unique_ptr<http::client_body> body, std::uint64_t body_at) {
  struct frame_guard {
    std::shared_ptr<fill> of;
    ~frame_guard() { of->abandon(); }
  };
  const frame_guard guard{self};
  // One turn of the loop: misses of neighbours that are already queued join this request (`extend`).
  if (body == nullptr) co_await net::yield();
  auto how = co_await self->transfer(std::move(body), body_at);
  self->commit_rest();
  if (how) {
    self->engine_->counts.fills_completed.add();
  } else {
    self->engine_->counts.fills_failed.add();
    log::info("cache", "a fill failed: {}", how.error().message());
    if (!self->version_->pinned()) {
      self->version_->set_broken({error_kind::broken, "cache", "the body broke off at its origin", false, 0, {}});
    }
  }
  self->finish(std::move(how));
}

} // namespace forebay::cache
