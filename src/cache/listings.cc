#include "cache/listings.h"

#include <fmt/format.h>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"
#include "cache/engine.h"
#include "net/loop.h"
#include "net/wait.h"
#include "origin/answer.h"

namespace forebay::cache {
namespace {

using page_result = result<std::shared_ptr<const listing_page>>;
using std::chrono::seconds;

/// What an entry of the table costs beside its texts.
constexpr std::uint64_t page_overhead_bytes = 512;
/// A page that would push most others out is given to who asked, and not kept.
constexpr std::uint64_t largest_share = 4;

/// How often a reader who shares an exchange with one who was refused asks again, with his own right.
constexpr unsigned own_turns = 3;
bool refused_another(const page_result& tried, const page_request& asked, const lookup_report& report) noexcept {
  const bool refused = !tried && origin::is_refusal(tried.error().kind);
  return refused && report.collapsed && asked.token != nullptr;
}

bool is_absent(error_kind kind) noexcept { return kind == error_kind::not_found || kind == error_kind::gone; }

void append_field(std::string& out, std::string_view text) {
  out += fmt::format("{}:", text.size());
  out += text;
}

/// The store and the key below it, in an order in which all keys with one prefix stand together.
std::string place_of(const origin::identity& name) {
  std::string place;
  append_field(place, name.kind);
  append_field(place, name.endpoint);
  append_field(place, name.bucket);
  return place + name.key;
}

std::uint64_t weigh(const listing_page& page) {
  std::uint64_t bytes = sizeof page + page.next.size();
  for (const auto& each : page.entries) bytes += sizeof each + each.key.size() + each.etag.size();
  return bytes;
}

/// Continuations are in an origin's own words, so each says whose they are: "1.token".
std::optional<std::pair<std::size_t, std::string>> read_continuation(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto which = parse_u64(text.substr(0, dot));
  if (!which || text.size() == dot + 1) return std::nullopt;
  return std::pair(static_cast<std::size_t>(*which), std::string(text.substr(dot + 1)));
}

metrics::counter& counted_as(std::string_view outcome) {
  const metrics::label labels[] = {{"result", outcome}};
  return metrics::global().get_counter("forebay_listing_pages_total",
                                       "Pages of listings that were asked for, by where they came from.", labels);
}

metrics::counter& refused_waiters() {
  const metrics::label labels[] = {{"limit", "waiters_per_object"}};
  return metrics::global().get_counter("forebay_limit_refused_total", "What a named limit refused or delayed.", labels);
}

struct listing_counts {
  metrics::counter& hit = counted_as("hit");
  metrics::counter& miss = counted_as("miss");
  metrics::counter& collapsed = counted_as("collapsed");
  metrics::counter& stale = counted_as("stale");
  metrics::counter& failed = counted_as("failed");
  metrics::counter& evicted = metrics::global().get_counter(
      "forebay_listing_evictions_total", "Pages of listings that made room for others (limits.listing_bytes).");
  metrics::counter& refused = refused_waiters();
  metrics::gauge& held =
      metrics::global().get_gauge("forebay_listing_bytes", "Bytes of listings that are held in memory.");
};

} // namespace

struct listing_cache::impl : std::enable_shared_from_this<listing_cache::impl> {
  /// One exchange, and who waits for it. Guarded by the table's mutex until `done`.
  struct asking {
    bool done = false;
    net::deadline until{}; ///< of the exchange: past it and the grace, nobody waits for it any more
    bool dropped = false;  ///< something below the prefix changed meanwhile: whoever asks later must not get it
    page_result outcome = fail(error_kind::internal, "listing", "not asked yet");
    std::vector<net::event> waiters;
  };
  struct entry {
    std::string key, place;
    page_result kept = fail(error_kind::internal, "listing", "nothing is kept");
    bool filled = false;
    steady_time received{};
    std::uint64_t bytes = 0;
    std::shared_ptr<asking> running;
  };
  using order = std::list<entry>;

  impl(listing_limits with, const clock& clock_used) : limits(with), time(clock_used) {}

  net::task<page_result> at_origin(page_request asked, std::size_t which, std::string continuation,
                                   lookup_report* report);
  net::task<page_result> wait_for(std::shared_ptr<asking> running, std::chrono::milliseconds timeout);
  static net::task<void> ask(std::shared_ptr<impl> self, std::string key, std::shared_ptr<asking> running,
                             std::shared_ptr<origin::source> source, origin::list_request wanted, std::size_t which);

  std::optional<page_result> look(entry& at, const space::freshness_policy& policy);
  bool stale_may_stand_in(const entry& at, const space::freshness_policy& policy) const;
  void keep(order::iterator at, const page_result& outcome);
  void drop(order::iterator at);
  void drop_all(const std::string& place);
  void make_room();

  std::mutex mutex;
  listing_limits limits;
  const clock& time;
  listing_counts counts;
  order entries; ///< the most recently used first
  std::unordered_map<std::string, order::iterator> by_key;
  std::map<std::string, std::vector<order::iterator>, std::less<>> by_place;
  std::uint64_t held_bytes = 0;
};

/// What is fresh; under the mutex.
std::optional<page_result> listing_cache::impl::look(entry& at, const space::freshness_policy& policy) {
  if (!at.filled) return std::nullopt;
  const auto age = time.steady() - at.received;
  const seconds ttl = at.kept ? policy.listing_ttl : policy.negative_ttl;
  if (age >= ttl) return std::nullopt;
  return at.kept;
}

bool listing_cache::impl::stale_may_stand_in(const entry& at, const space::freshness_policy& policy) const {
  return at.filled && at.kept && time.steady() - at.received < policy.listing_ttl + policy.stale_if_error;
}

void listing_cache::impl::drop(order::iterator at) {
  if (at->running != nullptr) at->running->dropped = true;
  held_bytes -= at->bytes;
  counts.held.add(-static_cast<std::int64_t>(at->bytes));
  const auto place = by_place.find(at->place);
  std::erase(place->second, at);
  if (place->second.empty()) by_place.erase(place);
  by_key.erase(at->key);
  entries.erase(at);
}

void listing_cache::impl::drop_all(const std::string& place) {
  const auto found = by_place.find(place);
  if (found == by_place.end()) return;
  const auto doomed = found->second; // `drop` changes it
  for (const auto& each : doomed) drop(each);
}

void listing_cache::impl::keep(order::iterator at, const page_result& outcome) {
  const std::uint64_t bytes =
      page_overhead_bytes + at->key.size() * 2 + at->place.size() * 2 + (outcome ? weigh(**outcome) : 0);
  if (bytes > limits.bytes / largest_share) return drop(at);
  held_bytes += bytes - at->bytes;
  counts.held.add(static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(at->bytes));
  at->bytes = bytes;
  at->kept = outcome;
  at->filled = true;
  at->received = time.steady();
  make_room();
}

void listing_cache::impl::make_room() {
  for (auto at = entries.end(); held_bytes > limits.bytes && at != entries.begin();) {
    const auto last = std::prev(at);
    if (last->running != nullptr) { // its page is on its way
      at = last;
      continue;
    }
    counts.evicted.add();
    drop(last);
  }
}

/// The one exchange for a page. It belongs to nobody who waits: each may leave.
net::task<void> listing_cache::impl::ask(std::shared_ptr<impl> self, std::string key, std::shared_ptr<asking> running,
                                         std::shared_ptr<origin::source> source, origin::list_request wanted,
                                         std::size_t which) {
  result<origin::listing> listed = co_await source->list(std::move(wanted));
  page_result outcome = fail(error_kind::internal, "listing", "no answer");
  if (listed) {
    auto page = std::make_shared<listing_page>();
    page->entries = std::move(listed->entries);
    page->entries.shrink_to_fit();
    if (!listed->next.empty()) page->next = fmt::format("{}.{}", which, listed->next);
    page->received = self->time.steady();
    outcome = std::shared_ptr<const listing_page>(std::move(page));
  } else {
    log::debug("listing", "{}", listed.error().message());
    outcome = fail(listed.error());
  }
  std::vector<net::event> waiters;
  {
    const std::lock_guard lock(self->mutex);
    running->outcome = outcome;
    running->done = true;
    waiters.swap(running->waiters);
    if (!running->dropped) {
      const auto at = self->by_key.at(key);
      at->running = nullptr;
      if (outcome || is_absent(outcome.error().kind)) {
        self->keep(at, outcome);
      } else if (!at->filled) {
        self->drop(at);
      }
    }
  }
  for (const auto& each : waiters) each.notify();
}

net::task<page_result> listing_cache::impl::wait_for(std::shared_ptr<asking> running,
                                                     std::chrono::milliseconds timeout) {
  net::event woken;
  net::deadline until{};
  {
    const std::lock_guard lock(mutex);
    until = net::deadline::after(timeout + limits.grace);
    if (running->done) co_return running->outcome;
    if (running->waiters.size() >= limits.waiters) {
      counts.refused.add();
      co_return fail(error_kind::exhausted, "listing", "limits.waiters_per_object requests wait for this page", true);
    }
    running->waiters.push_back(woken);
  }
  const bool done = co_await woken.wait(until);
  if (!done) co_return fail(error_kind::timeout, "listing", "the origin's answer did not come in time", true);
  const std::lock_guard lock(mutex);
  co_return running->outcome;
}

net::task<page_result> listing_cache::impl::at_origin(page_request asked, std::size_t which, std::string continuation,
                                                      lookup_report* report) {
  const auto source = asked.space->origins[which];
  const auto name = source->identify(asked.prefix, "");
  std::string key = name.canonical();
  for (const std::string_view each : {std::string_view(asked.start_after), std::string_view(continuation)})
    append_field(key, each);
  key += fmt::format("{}{} {}", asked.recursive, asked.markers, asked.max_entries);
  report->origin = source->name();
  report->forwarded = forward_reason::miss;

  std::shared_ptr<asking> running;
  bool mine = false;
  {
    const std::lock_guard lock(mutex);
    auto found = by_key.find(key);
    if (found == by_key.end()) {
      entry fresh;
      fresh.key = key;
      fresh.place = place_of(name);
      entries.push_front(std::move(fresh));
      by_place[entries.front().place].push_back(entries.begin());
      found = by_key.emplace(key, entries.begin()).first;
    }
    const auto at = found->second;
    entries.splice(entries.begin(), entries, at);
    std::optional<page_result> held;
    if (!asked.insists) held = look(*at, asked.space->freshness);
    if (held) {
      counts.hit.add();
      report->hit = true;
      report->negative = !*held;
      report->forwarded = forward_reason::none;
      co_return std::move(*held);
    }
    const bool overdue = at->running != nullptr && net::deadline{at->running->until.at + limits.grace}.passed();
    if (overdue) at->running->dropped = true;
    mine = at->running == nullptr || overdue;
    if (mine) {
      at->running = std::make_shared<asking>();
      at->running->until = net::deadline::after(asked.timeout);
    }
    running = at->running;
  }
  (mine ? counts.miss : counts.collapsed).add();
  report->collapsed = !mine;
  if (mine) {
    origin::list_request wanted{asked.prefix, asked.recursive,   asked.markers,  asked.start_after,
                                continuation, asked.max_entries, running->until, asked.token};
    net::loop::current().spawn(ask(shared_from_this(), key, running, source, std::move(wanted), which));
  }
  page_result outcome = co_await wait_for(running, asked.timeout);
  report->stored = outcome.has_value();
  if (outcome || !says_nothing_of_the_object(outcome.error().kind)) co_return outcome;
  counts.failed.add();
  const std::lock_guard lock(mutex);
  const auto found = by_key.find(key);
  if (found == by_key.end() || !stale_may_stand_in(*found->second, asked.space->freshness)) co_return outcome;
  counts.stale.add();
  report->stale = true;
  report->detail = "origin-failed";
  co_return found->second->kept;
}

listing_cache::listing_cache(listing_limits limits, const clock& time) : impl_(std::make_shared<impl>(limits, time)) {}
listing_cache::~listing_cache() { clear(); }

net::task<page_result> listing_cache::list(page_request asked, lookup_report* report) {
  const auto mine = impl_;
  lookup_report unread;
  if (report == nullptr) report = &unread;
  report->begin_again();
  std::size_t first = 0, count = asked.space->origins.size();
  std::string continuation;
  if (!asked.continuation.empty()) {
    auto read = read_continuation(asked.continuation);
    if (!read || read->first >= count) {
      co_return fail(error_kind::invalid_input, "listing", "the continuation is none that this namespace gave");
    }
    first = read->first;
    count = first + 1;
    continuation = std::move(read->second);
  }
  page_result answer = fail(error_kind::unsupported, "listing", "the namespace has no origin");
  for (std::size_t which = first; which < count; ++which) {
    page_result tried = co_await mine->at_origin(asked, which, continuation, report);
    for (unsigned turn = 0; turn < own_turns && refused_another(tried, asked, *report); ++turn)
      tried = co_await mine->at_origin(asked, which, continuation, report);
    // The first origin's word counts: a mirror's failure must not hide why the first one failed.
    if (tried || which == first) answer = std::move(tried);
    // "There is no such thing" is an answer; a store that cannot list leaves the word to the next.
    const bool next =
        !answer && (says_nothing_of_the_object(answer.error().kind) || answer.error().kind == error_kind::unsupported);
    if (!next) break;
  }
  co_return answer;
}

void listing_cache::forget_object(const origin::identity& name) {
  const std::string place = place_of(name);
  const std::lock_guard lock(impl_->mutex);
  // Every prefix of `place` that is in the table, longest first: each step shortens the probe.
  std::string probe = place;
  const std::size_t store_bytes = place.size() - name.key.size();
  for (;;) {
    auto after = impl_->by_place.upper_bound(probe);
    if (after == impl_->by_place.begin()) return;
    const std::string candidate = std::prev(after)->first;
    if (place.starts_with(candidate)) {
      impl_->drop_all(candidate);
      probe = candidate;
      continue;
    }
    const auto differs = std::mismatch(candidate.begin(), candidate.end(), place.begin(), place.end());
    probe.resize(static_cast<std::size_t>(differs.first - candidate.begin()));
    if (probe.size() < store_bytes) return;
  }
}

void listing_cache::forget_prefix(const origin::identity& prefix) {
  const std::string place = place_of(prefix);
  {
    const std::lock_guard lock(impl_->mutex);
    std::vector<std::string> below;
    for (auto at = impl_->by_place.lower_bound(place); at != impl_->by_place.end() && at->first.starts_with(place);
         ++at)
      below.push_back(at->first);
    for (const auto& each : below) impl_->drop_all(each);
  }
  forget_object(prefix);
}

void listing_cache::clear() {
  const std::lock_guard lock(impl_->mutex);
  while (!impl_->entries.empty()) impl_->drop(impl_->entries.begin());
}

void listing_cache::update_limits(listing_limits limits) {
  const std::lock_guard lock(impl_->mutex);
  impl_->limits = limits;
  impl_->make_room();
}

listing_cache::usage listing_cache::usage_now() const {
  const std::lock_guard lock(impl_->mutex);
  return {impl_->entries.size(), impl_->held_bytes};
}

} // namespace forebay::cache
