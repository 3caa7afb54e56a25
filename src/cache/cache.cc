#include "cache/cache.h"
#include "cache/boot.h"

#include <algorithm>

#include "base/log.h"
#include "cache/attendance.h"
#include "cache/contact.h"
#include "cache/freshness.h"
#include "cache/listings.h"
#include "cache/messages/message_cache.h"
#include "cache/object.h"
#include "cache/purged_names.h"
#include "cache/reader.h"
#include "cache/record.h"
#include "cache/relay.h"
#include "http/targeted_control.h"
#include "origin/answer.h"

namespace forebay::cache {
namespace {

using std::chrono::seconds;

/// Rounds of "look, then ask" before we give up on an object that keeps changing under us.
constexpr unsigned open_rounds = 4;
/// A contact ends by its own deadline; this much later a waiter stops believing in it.
constexpr std::chrono::milliseconds contact_grace{5'000};

/// The reader who was refused is another one: this one asks with the right that he has.
bool refused_another(const error& why, const origin::shown_token& own) noexcept {
  return own != nullptr && origin::is_refusal(why.kind);
}

std::vector<binding> bindings_from(const open_request& asked, std::size_t first) {
  const space::placement& where = asked.where;
  const auto& origins = where.space->origins;
  std::vector<binding> chain;
  for (std::size_t i = 0; i < origins.size(); ++i) {
    chain.push_back({origins[(first + i) % origins.size()], where.key, where.query, where.space->tenant, where.token,
                     asked.client});
  }
  return chain;
}

/// The nodes that the request has passed, to be told to the origin: it may be one of them.
std::optional<std::string> loop_of(const open_request& asked) {
  return asked.fields != nullptr ? asked.fields->joined("cdn-loop") : std::nullopt;
}

/// What the origin said, for the report; 0 where it said nothing.
std::optional<unsigned> answered(unsigned status) { return status == 0 ? std::nullopt : std::optional(status); }

std::optional<http::range_spec> first_of(const open_request& asked) {
  if (!asked.ranges || asked.ranges->empty()) return std::nullopt;
  return asked.ranges->front();
}

} // namespace

struct opened::context {
  reader_context reading;
};

opened::opened() = default;
opened::opened(opened&&) noexcept = default;
opened& opened::operator=(opened&&) noexcept = default;
opened::~opened() = default;

std::unique_ptr<http::body_source> opened::read(byte_range range) {
  const reader_context& from = context_->reading;
  std::uint64_t ahead_until = from.of->observe(range);
  if (ahead_until > range.end && from.of->held_or_coming(range.begin)) {
    from.of->fetch_ahead({range.end, ahead_until}, from.origins);
    ahead_until = range.end;
  }
  return std::make_unique<reader>(from, range, ahead_until);
}

std::unique_ptr<http::body_source> opened::read_all() {
  return std::make_unique<reader>(context_->reading, byte_range{0, version::length_unknown}, version::length_unknown);
}

namespace {

listing_limits listing_limits_of(const cache_limits& limits) {
  return {limits.listing_bytes, limits.waiters_per_object};
}

} // namespace

struct content_cache::impl : std::enable_shared_from_this<content_cache::impl> {
  impl(cache_limits limits, storage::memory_tier& memory, storage::lower_tier* lower, const clock& time)
      : shared(std::make_shared<engine>(limits, memory, lower, time)),
        listings(listing_limits_of(limits), time),
        stored_messages(shared) {
    if (lower != nullptr) attend_lower(*shared, {});
  }
  ~impl() {
    if (shared->lower != nullptr) leave_lower(*shared);
  }

  /// What is stored of an object, at one look.
  struct glance {
    std::shared_ptr<const stored_head> head;
    std::shared_ptr<version> of;
    std::optional<error> negative;
    bool passes = false, unpinned = false;
  };

  glance look(object& at) const {
    const std::lock_guard lock(at.mutex);
    const auto now = shared->time.steady();
    glance seen;
    if (at.current != nullptr && at.current->usable()) {
      seen.head = at.head;
      seen.of = at.current;
    }
    if (at.negative && at.negative_until > now) seen.negative = at.negative;
    seen.passes = at.pass_until > now;
    seen.unpinned = at.pass_unpinned;
    return seen;
  }

  opened make_opened(const open_request& asked, std::vector<binding> origins, std::shared_ptr<const stored_head> head,
                     std::shared_ptr<version> of, byte_range own = {}) const {
    opened answer;
    answer.age = age_of(*head, shared->time.steady());
    answer.head = std::move(head);
    answer.context_ = std::make_shared<opened::context>();
    answer.context_->reading = {shared, std::move(of), std::move(origins), asked.client, asked.connection, asked.report,
                                own};
    return answer;
  }

  /// Are the bytes that the reader wants held? (Only tells hit from partial; reading looks again.)
  static bool holds_wanted(const open_request& asked, const version& of) {
    if (asked.head_only) return true;
    const std::uint64_t length = of.length();
    if (length == version::length_unknown) return false;
    if (!asked.ranges) return of.holds({0, length});
    return std::all_of(asked.ranges->begin(), asked.ranges->end(), [&](const http::range_spec& each) {
      const auto range = http::resolve(each, length);
      return !range || of.holds(*range);
    });
  }

  /// The contact in progress, or a new one; true when it was started here.
  std::pair<std::shared_ptr<contact>, bool> join(const std::shared_ptr<object>& at, question about) {
    auto made = std::make_shared<contact>();
    {
      const std::lock_guard lock(at->mutex);
      if (at->asking != nullptr) return {at->asking, false};
      at->asking = made;
    }
    net::loop::current().spawn(make_contact(shared, at, made, std::move(about)));
    return {made, true};
  }

  net::task<result<void>> wait_for(std::shared_ptr<object> at, std::shared_ptr<contact> asking) {
    const auto limits = shared->limits_now();
    net::event woken;
    {
      const std::lock_guard lock(at->mutex);
      if (asking->done) co_return result<void>{};
      if (asking->waiters.size() >= limits->waiters_per_object) {
        shared->counts.refused_waiters.add();
        co_return fail(error_kind::exhausted, "cache", "limits.waiters_per_object requests wait for this object", true);
      }
      asking->waiters.push_back(woken);
    }
    shared->waiters.fetch_add(1, std::memory_order_relaxed);
    const bool done = co_await woken.wait(net::deadline::after(limits->read_timeout + contact_grace));
    shared->waiters.fetch_sub(1, std::memory_order_relaxed);
    if (!done) co_return fail(error_kind::timeout, "cache", "the origin's answer did not come in time", true);
    co_return result<void>{};
  }

  /// An exchange of the reader's own, for what is not stored.
  net::task<result<opened>> pass_through(const open_request& asked, std::vector<binding> origins) {
    const auto limits = shared->limits_now();
    origin::read_request wanted;
    wanted.key = origins.front().key;
    wanted.query = origins.front().query;
    wanted.token = origins.front().token;
    wanted.head_only = asked.head_only;
    if (asked.ranges && asked.ranges->size() == 1) wanted.range = asked.ranges->front();
    if (const auto loop = loop_of(asked)) wanted.fields.add("CDN-Loop", *loop);
    wanted.until = net::deadline::after(limits->read_timeout);
    auto answer = co_await origins.front().source->read(std::move(wanted));
    asked.report->forward_status =
        answered(answer ? answer->status : static_cast<unsigned>(answer.error().origin_status));
    if (!answer) co_return fail(answer.error());
    auto relayed = relay(std::move(*answer), first_of(asked), asked.head_only, asked.report);
    if (!relayed) co_return fail(relayed.error());
    opened passing;
    passing.pass = std::move(*relayed);
    co_return passing;
  }

  net::task<result<opened>> open_at(const open_request& asked, std::size_t which);
  std::optional<result<opened>> take_pass(const open_request& asked, object& at, contact& from) const;
  opened serve_stored(const open_request& asked, std::vector<binding> origins, const glance& seen, freshness state);
  held_object note_held(const open_request& asked, std::vector<binding> origins, const std::shared_ptr<object>& at,
                        const glance& seen, freshness state) const;
  static bool matches(const origin::identity& name, const origin::identity& prefix);
  net::task<result<std::size_t>> purge(std::function<bool(object&)> which, std::vector<storage::object_key> keys,
                                       std::vector<std::string> rules, std::size_t forgotten);
  std::size_t forget(const std::function<bool(object&)>& which);

  std::shared_ptr<engine> shared;
  object_table objects;
  listing_cache listings;
  messages::message_cache stored_messages;
};

opened content_cache::impl::serve_stored(const open_request& asked, std::vector<binding> origins, const glance& seen,
                                         freshness state) {
  asked.report->ttl_seconds = state.ttl.count();
  if (holds_wanted(asked, *seen.of)) {
    asked.report->hit = true;
  } else {
    asked.report->forwarded = forward_reason::partial;
    asked.report->stored = true;
  }
  return make_opened(asked, std::move(origins), seen.head, seen.of);
}

/// What is found again as it was: a whole version that a validator tells from others.
held_object content_cache::impl::note_held(const open_request& asked, std::vector<binding> origins,
                                           const std::shared_ptr<object>& at, const glance& seen,
                                           freshness state) const {
  const bool lasts = seen.head->pinned && seen.head->length_bytes && *seen.head->length_bytes == seen.of->length();
  if (state.use != usability::fresh || state.ttl <= seconds{0} || !lasts) return {};
  const auto lifetime = freshness_lifetime(*seen.head, asked.where.space->freshness, asked.where.key);
  const bool always = space::matches_any(asked.where.space->freshness.immutable, asked.where.key);
  return {shared, at, seen.head, std::move(origins), lifetime, always};
}

/// The answer of the reader's own contact; nothing where it does not hold what he asked for.
std::optional<result<opened>> content_cache::impl::take_pass(const open_request& asked, object& at,
                                                             contact& from) const {
  std::optional<origin::read_answer> answer;
  {
    const std::lock_guard lock(at.mutex);
    answer.swap(from.pass);
  }
  const bool one_of_several = answer && answer->status == 206 && asked.ranges && asked.ranges->size() > 1;
  if (!answer || one_of_several) return std::nullopt;
  auto relayed = relay(std::move(*answer), first_of(asked), asked.head_only, asked.report);
  if (!relayed) return fail(std::move(relayed.error()));
  opened passing;
  passing.pass = std::move(*relayed);
  return passing;
}

/// The object at origin number `which` of the namespace.
net::task<result<opened>> content_cache::impl::open_at(const open_request& asked, std::size_t which) {
  const auto origins = bindings_from(asked, which);
  const auto& policy = asked.where.space->freshness;
  const auto directives = asked.fields != nullptr ? http::request_cache_control(*asked.fields) : http::cache_control{};
  lookup_report& report = *asked.report;
  report.origin = origins.front().source->name();

  bool made = false;
  const auto name = origins.front().source->identify(asked.where.key, asked.where.query);
  const auto at = objects.get(name, shared->limits_now()->objects, made);
  report.forwarded = made ? forward_reason::uri_miss : forward_reason::miss;
  if (shared->lower != nullptr && !at->restored.load(std::memory_order_acquire)) co_await restore(shared, at);
  if (shared->lower != nullptr && space::matches_any(asked.where.space->disk.keep, asked.where.key))
    note_kept(*shared, *at, {asked.where.space->label, asked.where.key});

  for (unsigned round = 0; round < open_rounds; ++round) {
    const glance seen = look(*at);
    freshness state{usability::must_ask, seconds{0}};
    if (seen.head != nullptr) {
      const auto age = age_of(*seen.head, shared->time.steady());
      state = decide(*seen.head, policy, asked.where.key, age, directives);
      // A request that forbids to store may use what is there, as long as nothing has to be fetched for it.
      const bool held = !directives.no_store || (state.use == usability::fresh && holds_wanted(asked, *seen.of));
      if (state.use != usability::must_ask && held) {
        report.forwarded = forward_reason::none;
        report.stale = state.use == usability::stale_while_revalidate || state.ttl <= seconds{0};
        if (state.use == usability::stale_while_revalidate) join(at, {origins, policy, {}, true});
        opened served = serve_stored(asked, origins, seen, state);
        // A mirror answers while those before it fail: whether they still do is asked each time.
        if (report.hit && which == 0 && asked.remember) served.held = note_held(asked, origins, at, seen, state);
        co_return served;
      }
      report.forwarded = state.ttl > seconds{0} ? forward_reason::request : forward_reason::stale;
    } else if (seen.negative && !directives.no_cache) {
      report.hit = true;
      report.negative = true;
      report.forwarded = forward_reason::none;
      co_return fail(*seen.negative);
    }
    if (directives.only_if_cached) {
      report.forwarded = forward_reason::none;
      co_return fail(error_kind::timeout, "cache", "only-if-cached was asked for and nothing fresh is held");
    }
    if (directives.no_store) { // RFC 9111 §5.2.1.5
      report.passed = true;
      report.forwarded = forward_reason::bypass;
      auto passed = co_await pass_through(asked, origins);
      co_return passed;
    }
    if (seen.passes && seen.head == nullptr) {
      report.passed = true;
      report.detail = seen.unpinned ? "no-validator" : "hit-for-miss";
      auto passed = co_await pass_through(asked, origins);
      co_return passed;
    }

    const bool fetches = seen.head == nullptr && !asked.head_only;
    if (const auto may = fetches ? shared->check_fetch(asked.client) : result<void>(); !may)
      co_return fail(may.error());
    const auto [asking, mine] = join(at, {origins, policy, first_of(asked), asked.head_only, loop_of(asked)});
    if (!mine) {
      report.collapsed = true;
      shared->counts.collapsed.add();
    }
    auto waited = co_await wait_for(at, asking);
    const result<void> outcome = waited ? asking->outcome : waited;
    if (!mine && !outcome && refused_another(outcome.error(), asked.where.token)) continue;
    report.forward_status = answered(waited ? asking->status : 0);
    if (!outcome) {
      const bool origin_failed = says_nothing_of_the_object(outcome.error().kind);
      if (seen.head != nullptr && origin_failed && usable_on_error(*seen.head, policy, state.ttl)) {
        report.stale = true;
        report.detail = "origin-failed";
        report.ttl_seconds = state.ttl.count();
        co_return make_opened(asked, origins, seen.head, seen.of);
      }
      co_return fail(outcome.error());
    }
    if (asking->passes) {
      report.passed = true;
      report.detail = asking->unpinned ? "no-validator" : "uncacheable";
      if (mine) {
        auto taken = take_pass(asked, *at, *asking);
        if (taken) co_return std::move(*taken);
      }
      auto passed = co_await pass_through(asked, origins);
      co_return passed;
    }
    if (asking->head == nullptr) continue; // ended without news (a race with a purge): look again
    report.revalidated = asking->revalidated;
    report.stored = asking->stored;
    const auto left =
        freshness_lifetime(*asking->head, policy, asked.where.key) - age_of(*asking->head, shared->time.steady());
    report.ttl_seconds = left.count();
    co_return make_opened(asked, origins, asking->head, asking->of, mine ? asking->fetched : byte_range{});
  }
  co_return fail(error_kind::changed, "cache", "the object changes faster than it can be read", true);
}

content_cache::content_cache(cache_limits limits, storage::memory_tier& memory, storage::lower_tier* lower,
                             const clock& time)
    : impl_(std::make_shared<impl>(limits, memory, lower, time)) {
  boot_fingerprint(); // reads a file, once: not while a first reader waits
}
content_cache::~content_cache() = default;

net::task<result<opened>> content_cache::open(open_request asked) {
  const auto mine = impl_;
  thread_local lookup_report unread; // bodies write to it later: it outlives them
  if (asked.report == nullptr) asked.report = &unread;
  asked.report->begin_again();
  const std::size_t count = asked.where.space->origins.size();
  result<opened> answer = fail(error_kind::internal, "cache", "the namespace has no origin");
  for (std::size_t which = 0; which < count; ++which) {
    auto tried = co_await mine->open_at(asked, which);
    // The first origin's word counts: a mirror's failure must not hide why the first one failed.
    if (tried || which == 0) answer = std::move(tried);
    if (answer || !says_nothing_of_the_object(answer.error().kind)) break;
  }
  co_return answer;
}

bool content_cache::impl::matches(const origin::identity& name, const origin::identity& prefix) {
  return name.kind == prefix.kind && name.endpoint == prefix.endpoint && name.bucket == prefix.bucket &&
         name.scope == prefix.scope && name.key.starts_with(prefix.key);
}

std::size_t content_cache::impl::forget(const std::function<bool(object&)>& which) {
  std::size_t count = 0;
  objects.each([&](const std::shared_ptr<object>& each) {
    if (!which(*each)) return;
    const std::lock_guard lock(each->mutex);
    if (each->current != nullptr) shared->memory.erase(each->current->key());
    if (each->head != nullptr || each->negative) ++count;
    each->forget(shared->lower != nullptr ? shared->lower->stamp() : each->generation + 1);
  });
  return count;
}

namespace {

/// A purge reaches the disk, if it must, within this time.
constexpr std::chrono::seconds purge_timeout{30};

} // namespace

/// Forgets in memory, then on disk, then in memory once more: an exchange that began before the purge must not leave
/// a record behind it, and a reader who came in between may have found the record that was still there.
net::task<result<std::size_t>> content_cache::impl::purge(std::function<bool(object&)> which,
                                                          std::vector<storage::object_key> keys,
                                                          std::vector<std::string> rules, std::size_t forgotten) {
  const std::size_t count = forgotten + forget(which);
  if (shared->lower == nullptr) co_return count;
  const auto until = net::deadline::after(purge_timeout);
  result<void> durable;
  for (const auto& key : keys) {
    auto done = co_await shared->lower->put_tombstone(key, until);
    if (!done) durable = std::move(done);
  }
  for (const auto& rule : rules) {
    auto done = co_await shared->lower->put_rule(rule, until);
    if (!done) durable = std::move(done);
  }
  forget(which);
  if (!durable) co_return fail(durable.error());
  co_return count;
}

net::task<result<std::size_t>> content_cache::purge_object(space::placement where, std::vector<std::string> scopes) {
  const purged_names names(where);
  for (const auto& name : names.all()) impl_->listings.forget_object(name);
  auto keys = names.keys(std::move(scopes));
  impl_->objects.each([&](const std::shared_ptr<object>& each) {
    const bool other = names.cover(each->name) && std::find(keys.begin(), keys.end(), each->key) == keys.end();
    if (other) keys.push_back(each->key);
  });
  const std::size_t messages =
      impl_->stored_messages.forget([&](const origin::identity& each) { return names.cover(each); });
  return impl_->purge([names](object& each) { return names.cover(each.name); }, std::move(keys), {}, messages);
}

net::task<result<std::size_t>> content_cache::purge_prefix(std::shared_ptr<const space::name_space> space,
                                                           std::string prefix) {
  std::vector<origin::identity> names;
  std::vector<std::string> rules;
  for (const auto& source : space->origins) {
    names.push_back(source->identify(prefix, ""));
    impl_->listings.forget_prefix(names.back());
    rules.push_back(rule_of_prefix(names.back()));
  }
  const std::size_t messages = impl_->stored_messages.forget([&](const origin::identity& each) {
    return std::any_of(names.begin(), names.end(), [&](const auto& name) { return impl::matches(each, name); });
  });
  return impl_->purge(
      [names = std::move(names)](object& each) {
        return std::any_of(names.begin(), names.end(),
                           [&](const auto& name) { return impl::matches(each.name, name); });
      },
      {}, std::move(rules), messages);
}

net::task<result<std::size_t>> content_cache::purge_tag(std::string tag) {
  auto rule = rule_of_tag(tag);
  impl_->listings.clear(); // which keys carry a tag is not known beforehand
  const std::size_t messages = impl_->stored_messages.forget_tag(tag);
  return impl_->purge(
      [tag = std::move(tag)](object& each) {
        const std::lock_guard lock(each.mutex);
        return each.head != nullptr &&
               std::find(each.head->tags.begin(), each.head->tags.end(), tag) != each.head->tags.end();
      },
      {}, {std::move(rule)}, messages);
}

void content_cache::update_keep(std::function<bool(std::string_view label, std::string_view key)> keeps) {
  if (impl_->shared->lower != nullptr) attend_lower(*impl_->shared, std::move(keeps));
}

void content_cache::use_cold(cold::cold_tier& tier) {
  if (impl_->shared->lower != nullptr) impl_->shared->cold = &tier;
}

void content_cache::update_limits(cache_limits limits) {
  std::atomic_store(&impl_->shared->limits, std::make_shared<const cache_limits>(limits));
  impl_->listings.update_limits(listing_limits_of(limits));
}

listing_cache& content_cache::listings() noexcept { return impl_->listings; }
messages::message_cache& content_cache::messages() noexcept { return impl_->stored_messages; }

content_cache::usage content_cache::usage_now() const {
  const auto& shared = *impl_->shared;
  return {impl_->objects.size(), shared.active_fills.load(std::memory_order_relaxed),
          shared.followers.load(std::memory_order_relaxed), shared.waiters.load(std::memory_order_relaxed)};
}

} // namespace forebay::cache
