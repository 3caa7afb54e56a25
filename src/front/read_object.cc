#include "front/read_object.h"

#include <fmt/format.h>

#include "front/answer.h"
#include "front/problem.h"
#include "front/read.h"
#include "front/repr_digest.h"

namespace forebay::front {
namespace {

using kind = read_outcome::kind;

/// How often an object that changes under our feet is opened before the reader is told.
constexpr unsigned open_attempts = 3;

read_outcome failed(error why) { return {kind::failed, {}, std::move(why), 0}; }

read_outcome refused_condition() {
  return {kind::precondition_failed,
          {},
          error{error_kind::changed, "request", "the object does not match the request's preconditions"},
          0};
}

read_outcome beyond(std::uint64_t length) {
  return {kind::unsatisfiable,
          {},
          error{error_kind::range_unsatisfiable, "request",
                fmt::format("the object has {} bytes; no requested range lies within", length)},
          length};
}

/// The answer once its first bytes are there: until then a failure is still an honest status.
net::task<read_outcome> begun(http::response answer) {
  if (answer.body != nullptr) {
    auto first = co_await cache::opened::begin(std::move(answer.body));
    if (!first) co_return failed(first.error());
    answer.body = std::move(*first);
  }
  read_outcome outcome;
  outcome.answer = std::move(answer);
  co_return outcome;
}

} // namespace

unsigned status_of_read(const error& why) noexcept { return why.kind == error_kind::changed ? 503 : status_of(why); }

net::task<read_outcome> read_object(cache::content_cache& cache, http::request& asked, space::placement where) {
  exchange_notes& notes = *exchange_notes::of(asked);
  const auto ranges = asked_ranges(asked, notes.settings->ranges);
  bool with_ranges = true;
  notes.looked_up = true;
  for (unsigned attempt = 1;; ++attempt) {
    const bool last_attempt = attempt >= open_attempts;
    cache::open_request open;
    open.where = where;
    open.head_only = asked.head.method == "HEAD";
    if (with_ranges) open.ranges = ranges;
    open.fields = &asked.head.fields;
    open.client = notes.account;
    open.connection = asked.connection;
    open.report = &notes.report;
    open.remember = !asked.raw_head.empty();
    result<cache::opened> opened = co_await cache.open(std::move(open));
    if (!opened) {
      if (opened.error().kind == error_kind::changed && !last_attempt) continue;
      co_return failed(opened.error());
    }
    const wall_time now = system_clock().wall();
    if (opened->passes()) {
      // Without a validator nobody can say that If-Range holds: the whole is the answer (RFC 9110 §13.1.5).
      if (opened->pass->head.status == 206 && with_ranges && asked.head.fields.has("if-range")) {
        with_ranges = false;
        continue;
      }
      // Who reads a version piece by piece under If-Match must not be given a piece of another one.
      if (check_pass(asked, opened->pass->head, now) == http::precondition::failed) co_return refused_condition();
      read_outcome passed = co_await begun(make_pass_answer(asked, std::move(*opened->pass), now));
      co_return passed;
    }
    const auto plan = plan_read(asked, *opened->head, ranges, now);
    if (plan.what == read_plan::kind::failed) co_return refused_condition();
    if (plan.what == read_plan::kind::unsatisfiable) co_return beyond(*opened->head->length_bytes);
    const auto age = opened->age;
    const auto head = opened->head;
    if (plan.what == read_plan::kind::whole || plan.what == read_plan::kind::one_range)
      notes.held = std::move(opened->held);
    auto answer = make_read_answer(asked, std::move(*opened), plan);
    add_age(answer.head.fields, age, notes.report.hit || notes.report.stale);
    const bool tells = asked.head.fields.has("want-repr-digest") || asked.head.fields.has("want-content-digest");
    if (tells) {
      digested_object object{notes.settings->digests, where.space->origins.front()->identify(where.key, where.query)};
      auto told = co_await tell_digests(&answer, &asked.head.fields, head, std::move(object));
      if (!told && told.error().kind == error_kind::changed && !last_attempt) continue;
      if (!told) co_return failed(std::move(told.error()));
    }
    read_outcome outcome = co_await begun(std::move(answer));
    const bool changed = outcome.what == kind::failed && outcome.why.kind == error_kind::changed;
    if (!changed || last_attempt) co_return outcome;
  }
}

} // namespace forebay::front
