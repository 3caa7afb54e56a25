// GET and HEAD: look, use what may be used, ask for the rest.
#include <utility>

#include "cache/messages/message_engine.h"
#include "cache/messages/rules.h"
#include "net/loop.h"

namespace forebay::cache::messages {
namespace {

/// Rounds of "look, then ask" before we give up on a URI that changes under us.
constexpr unsigned rounds = 4;
/// An exchange ends by its own deadline; this much later a waiter stops believing in it.
constexpr std::chrono::milliseconds flight_grace{5'000};

/// Ends the flight when the exchange is decided, however it leaves.
class flight_guard {
public:
  flight_guard(std::shared_ptr<message_entry> at, std::shared_ptr<flight> mine)
      : at_(std::move(at)), mine_(std::move(mine)) {}
  flight_guard(const flight_guard&) = delete;
  flight_guard& operator=(const flight_guard&) = delete;
  ~flight_guard() {
    if (mine_ == nullptr) return;
    std::vector<net::event> waiting;
    {
      const std::lock_guard lock(at_->mutex);
      mine_->done = true;
      waiting.swap(mine_->waiters);
      if (at_->asking == mine_) at_->asking.reset();
    }
    for (const auto& each : waiting) each.notify();
  }

private:
  std::shared_ptr<message_entry> at_;
  std::shared_ptr<flight> mine_;
};

/// May the request wait for another one's answer, and others for its?
bool collapsible(const exchange_state& of) {
  const auto& d = of.directives;
  return !of.head_only && !of.bypass && !d.no_cache && !d.no_store && !d.max_age && !d.min_fresh &&
         !of.asked.fields.has("authorization") && !of.asked.fields.has("range");
}

/// The exchange for all who ask alike: somebody else's, or one's own. None where the request is not of that kind.
struct seat {
  std::shared_ptr<flight> flies;
  bool mine = false;
};

/// Decided under one lock: of requests that all found nobody asking, on whatever loops, one asks.
seat take_seat(const exchange_state& of) {
  if (!collapsible(of)) return {};
  const std::lock_guard lock(of.at->mutex);
  if (of.at->asking != nullptr) return {of.at->asking, false};
  of.at->asking = std::make_shared<flight>();
  return {of.at->asking, true};
}

net::task<result<void>> wait_for(std::shared_ptr<exchange_state> of, std::shared_ptr<flight> asking) {
  auto& shared = *of->store->shared;
  const auto limits = shared.limits_now();
  net::event woken;
  {
    const std::lock_guard lock(of->at->mutex);
    if (asking->done) co_return result<void>{};
    if (asking->waiters.size() >= limits->waiters_per_object) {
      shared.counts.refused_waiters.add();
      co_return fail(error_kind::exhausted, "cache", "limits.waiters_per_object requests wait for this object", true);
    }
    asking->waiters.push_back(woken);
  }
  shared.counts.collapsed.add();
  shared.waiters.fetch_add(1, std::memory_order_relaxed);
  const bool done = co_await woken.wait(net::deadline::after(limits->read_timeout + flight_grace));
  shared.waiters.fetch_sub(1, std::memory_order_relaxed);
  if (!done) co_return fail(error_kind::timeout, "cache", "the origin's answer did not come in time", true);
  co_return result<void>{};
}

/// Asks the origins in their order; the first one's word counts where all fail.
net::task<result<arrival>> forward(std::shared_ptr<exchange_state> of, http::header_table fields) {
  const auto& shared = *of->store->shared;
  const auto& where = of->asked.where;
  result<arrival> got = fail(error_kind::internal, "cache", "the namespace has no origin");
  for (std::size_t which = 0; which < where.space->origins.size(); ++which) {
    origin::write_request wanted;
    wanted.method = of->head_only ? "HEAD" : "GET";
    wanted.key = where.key;
    wanted.query = where.query;
    wanted.fields = fields;
    wanted.until = net::deadline::after(shared.limits_now()->read_timeout);
    if (!of->background) wanted.on_interim = of->asked.on_interim;
    of->asked.report->origin = where.space->origins[which]->name();
    const wall_time requested = shared.time.wall();
    auto answered = co_await where.space->origins[which]->write(std::move(wanted));
    if (answered) {
      auto& head = answered->head;
      of->asked.report->forward_status = head.status;
      const bool bodiless = of->head_only || head.status == 204 || head.status == 304;
      if (bodiless) co_await end_body(std::move(answered->body));
      co_return arrive(std::move(*answered), requested, shared.time.wall());
    }
    if (which == 0) got = fail(answered.error());
    if (!says_nothing_of_the_object(answered.error().kind)) break;
  }
  co_return got;
}

bool is_server_failure(unsigned status) noexcept {
  return status == 500 || status == 502 || status == 503 || status == 504;
}

/// What is held, where it may stand in for an origin that failed.
std::optional<http::response> stand_in(exchange_state& of, const glance& seen) {
  if (seen.held == nullptr || seen.held->suspect) return std::nullopt;
  const auto& where = of.asked.where;
  const auto age = age_of(*seen.held->head, of.store->shared->time.steady());
  const auto ttl = lifetime(*seen.held->head, where.space->freshness, where.key) - age;
  if (!stands_in(*seen.held->head, where.space->freshness, ttl, of.directives)) return std::nullopt;
  auto answer = answer_held(of, *seen.held);
  if (!answer) return std::nullopt;
  of.asked.report->stale = true;
  of.asked.report->detail = "origin-failed";
  of.asked.report->ttl_seconds = ttl.count();
  return answer;
}

/// One exchange with the origin: the answer, or nothing where one has to look again.
net::task<std::optional<result<http::response>>> ask(std::shared_ptr<exchange_state> of, glance seen, bool fresh,
                                                     std::unique_ptr<flight_guard> guard) {
  (void)guard; // who waits is woken when this is over
  outgoing asking{end_to_end(of->asked.fields, of->asked.from_trusted_proxy, of->asked.version)};
  if (of->asked.keeps_ranges) keep_ranges(asking);
  const bool undressed = asking.undressed;
  if (!of->head_only && !of->bypass) asking = plan_get(std::move(asking.fields), seen.held.get(), fresh, seen.variants);
  asking.undressed = asking.undressed || undressed;
  auto came = co_await forward(of, asking.fields);
  const bool failed = !came || is_server_failure(came->status);
  if (failed && !of->bypass) {
    auto standing_in = stand_in(*of, seen);
    if (standing_in) co_return std::move(*standing_in);
  }
  if (!came) {
    // RFC 9111 §5.2.2.2: what must be validated and cannot be is a gateway's timeout.
    const bool must = seen.held != nullptr && forbids_stale(*seen.held->head);
    if (must) co_return fail(error_kind::timeout, came.error().source, came.error().context);
    co_return fail(came.error());
  }
  if (of->head_only) co_return take_head(*of, seen, std::move(*came));
  auto answer = take_get(*of, seen, asking, std::move(*came));
  if (!answer) co_return std::nullopt;
  co_return std::move(*answer);
}

/// The URI may be refreshed again, however this one left.
class refresh_guard {
public:
  explicit refresh_guard(std::shared_ptr<message_entry> at) : at_(std::move(at)) {}
  refresh_guard(const refresh_guard&) = delete;
  refresh_guard& operator=(const refresh_guard&) = delete;
  ~refresh_guard() { at_->refreshing.clear(); }

private:
  std::shared_ptr<message_entry> at_;
};

/// A revalidation that no reader waits for (RFC 5861 §3).
net::task<void> refresh(std::shared_ptr<exchange_state> of, std::unique_ptr<refresh_guard> mark) {
  (void)mark;
  const seat taken = take_seat(*of);
  if (taken.flies != nullptr && !taken.mine) co_return;
  auto guard = std::make_unique<flight_guard>(of->at, taken.flies);
  co_await ask(of, look(*of), false, std::move(guard)); // a body that comes is filled to its end without a reader
}

/// One at a time: readers whose answers cannot be kept would else each start one.
void start_refresh(const exchange_state& of) {
  if (of.at->refreshing.test_and_set()) return;
  auto guard = std::make_unique<refresh_guard>(of.at);
  struct own_report {
    lookup_report report;
    exchange_state state;
  };
  auto all = std::make_shared<own_report>();
  all->state.store = of.store;
  all->state.at = of.at;
  all->state.background = true;
  message_request& asked = all->state.asked;
  asked.where = of.asked.where;
  asked.method = "GET";
  asked.version = of.asked.version;
  asked.fields = of.asked.fields;
  for (const std::string_view name : {"if-none-match", "if-modified-since", "if-range", "range", "cache-control"})
    asked.fields.remove(name);
  asked.client = of.asked.client;
  asked.from_trusted_proxy = of.asked.from_trusted_proxy;
  asked.report = &all->report;
  net::loop::current().spawn(refresh(std::shared_ptr<exchange_state>(all, &all->state), std::move(guard)));
}

forward_reason reason_of(const exchange_state& of, const glance& seen, const verdict& found) {
  if (of.bypass) return forward_reason::bypass;
  if (seen.held != nullptr)
    return found.ttl > std::chrono::seconds{0} ? forward_reason::request : forward_reason::stale;
  return seen.variants.empty() ? forward_reason::uri_miss : forward_reason::vary_miss;
}

/// What is held, where it may be used for this request.
std::optional<http::response> use_held(const exchange_state& of, const glance& seen, const verdict& found) {
  auto answer = answer_held(of, *seen.held);
  if (!answer) return std::nullopt;
  lookup_report& report = *of.asked.report;
  report.hit = true;
  if (!report.collapsed) report.forwarded = forward_reason::none;
  report.ttl_seconds = found.ttl.count();
  report.stale = found.what != use::fresh;
  if (found.what == use::stale_while_revalidate) start_refresh(of);
  return answer;
}

} // namespace

net::task<result<http::response>> read_message(std::shared_ptr<exchange_state> of) {
  const auto& where = of->asked.where;
  lookup_report& report = *of->asked.report;
  of->bypass = of->directives.no_store || has_origin_conditions(of->asked.fields);
  bool waited = false;
  for (unsigned round = 0; round < rounds; ++round) {
    const glance seen = look(*of);
    verdict found{use::must_ask, {}};
    bool fresh = false;
    if (seen.held != nullptr && !of->bypass) {
      const auto age = age_of(*seen.held->head, of->store->shared->time.steady());
      found = decide_use(*seen.held->head, where.space->freshness, where.key, age, of->directives);
      fresh = found.what != use::must_ask && !seen.held->suspect;
      if (fresh) {
        auto answer = use_held(*of, seen, found);
        if (answer) co_return std::move(*answer);
      }
    }
    report.forwarded = fresh ? forward_reason::partial : reason_of(*of, seen, found);
    if (of->directives.only_if_cached) {
      report.forwarded = forward_reason::none;
      co_return fail(error_kind::timeout, "cache", "only-if-cached was asked for and nothing fresh is held");
    }
    const seat taken = take_seat(*of);
    if (taken.flies != nullptr && !taken.mine && !waited && !seen.passes) {
      waited = true;
      report.collapsed = true;
      auto came = co_await wait_for(of, taken.flies);
      if (!came) co_return fail(came.error());
      continue;
    }
    auto guard = std::make_unique<flight_guard>(of->at, taken.mine ? taken.flies : nullptr);
    // An exchange that ended between the look and the seat may have left what this one would ask for.
    if (taken.mine && round + 1 < rounds && look(*of).held != seen.held) continue;
    report.collapsed = false; // what he waited for was of no use: he asks himself
    auto done = co_await ask(of, seen, fresh, std::move(guard));
    if (done) co_return std::move(*done);
  }
  co_return fail(error_kind::changed, "cache", "the origin's answers do not agree with each other", true);
}

} // namespace forebay::cache::messages
