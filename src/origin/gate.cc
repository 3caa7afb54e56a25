#include "origin/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/limit_counter.h"
#include "base/log.h"
#include "http/url.h"
#include "net/loop.h"
#include "origin/answer.h"

namespace forebay::origin {
namespace {

using metrics::global;
using metrics::label;

std::array<label, 1> of_origin(const std::string& name) { return {label{"origin", name}}; }

/// The client's failure as one of the origin: where it was stays in the sentence.
error named(error failure, const std::string& name) {
  failure.context = fmt::format("{} ({})", failure.context, failure.source);
  failure.source = name;
  return failure;
}

/// Counts the bytes of a body as they come and gives the permit back at its end. Of an error's words only when they are
/// destroyed: by then the exchange is settled, and who gets the permit knows of a pause that they asked for.
class metered_body final : public http::client_body {
public:
  metered_body(std::unique_ptr<http::client_body> inner, admission held, metrics::counter& bytes, bool of_error,
               std::shared_ptr<gate> through)
      : state_(std::make_shared<state>(std::move(inner), std::move(held), bytes, of_error, std::move(through))) {}
  ~metered_body() override {
    state_->inner.reset(); // ends the transfer even if somebody still waits in a read
    state_->held.give_back();
  }
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override { return read(state_, into); }
  bool at_end() const noexcept override { return state_->inner->at_end(); }
  const http::header_table* trailers() const noexcept override { return state_->inner->trailers(); }

private:
  struct state {
    state(std::unique_ptr<http::client_body> inner, admission held, metrics::counter& bytes, bool of_error,
          std::shared_ptr<gate> through)
        : inner(std::move(inner)),
          held(std::move(held)),
          bytes(bytes),
          of_error(of_error),
          through(std::move(through)) {}
    std::unique_ptr<http::client_body> inner;
    admission held;
    metrics::counter& bytes;
    const bool of_error;
    std::shared_ptr<gate> through;
  };
  static net::task<result<std::size_t>> read(std::shared_ptr<state> mine, std::span<std::byte> into) {
    auto got = co_await mine->inner->read_some(into);
    if (got) mine->bytes.add(*got);
    const bool over = !got || *got == 0;
    if (over && !mine->of_error) mine->held.give_back();
    if (got) co_return got;
    error failure = named(std::move(got.error()), mine->through->name());
    if (failure.kind != error_kind::cancelled) mine->through->count_error(failure);
    co_return fail(std::move(failure));
  }
  std::shared_ptr<state> state_;
};

} // namespace

std::shared_ptr<limiter> limiter_of_host(const std::string& url, unsigned limit) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::weak_ptr<limiter>> known;
  constexpr std::size_t sweep_at = 1024; // hosts that readers named come and go
  const auto parts = http::parse_url(url);
  const std::string host = parts ? parts->authority() : std::string(); // the client refuses what is no URL
  const std::lock_guard lock(mutex);
  auto& slot = known[host];
  auto found = slot.lock();
  if (found == nullptr) {
    found = std::make_shared<limiter>(limit, &metrics::refused_by("host_connections"));
    slot = found;
    if (known.size() >= sweep_at) std::erase_if(known, [](const auto& each) { return each.second.expired(); });
  } else {
    found->set_limit(limit);
  }
  return found;
}

std::shared_ptr<gate> gate::find(const std::string& name, const std::string& scope, const origin_limits& limits) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::weak_ptr<gate>> known;
  const std::lock_guard lock(mutex);
  const std::string key = fmt::format("{}:{}{}", name.size(), name, scope);
  if (const auto found = known.find(key); found != known.end()) {
    if (auto alive = found->second.lock()) {
      alive->limiter_->set_limit(limits.connections);
      alive->host_limit_.store(limits.host_connections);
      alive->breaker_->configure(limits.breaker_failures, limits.breaker_open);
      alive->pause_.configure(limits);
      return alive;
    }
  }
  constexpr std::size_t sweep_at = 1024; // gates of stores that readers named come and go
  if (known.size() >= sweep_at) std::erase_if(known, [](const auto& each) { return each.second.expired(); });
  auto made = std::make_shared<gate>(name, limits);
  known[key] = made;
  return made;
}

gate::gate(std::string name, const origin_limits& limits, const clock& time)
    : name_(std::move(name)),
      limiter_(std::make_shared<limiter>(limits.connections, &metrics::refused_by("origin_connections"))),
      host_limit_(limits.host_connections),
      breaker_(std::make_shared<breaker>(limits.breaker_failures, limits.breaker_open, time)),
      pause_(limits, time),
      bytes_(global().get_counter("forebay_origin_bytes_total", "Bytes of bodies received from each origin.",
                                  of_origin(name_))),
      retries_(global().get_counter("forebay_origin_retries_total", "Reads of an origin that were tried again.",
                                    of_origin(name_))),
      pauses_(global().get_counter("forebay_origin_throttle_pauses_total",
                                   "Pauses of all readers that each origin asked for (429, SlowDown, Retry-After).",
                                   of_origin(name_))),
      paused_(global().get_counter("forebay_origin_throttle_waits_total",
                                   "Requests that such a pause of each origin held back, or failed.",
                                   of_origin(name_))),
      breaker_open_(global().get_gauge("forebay_origin_breaker_open",
                                       "1 while an origin is left alone after repeated failures.", of_origin(name_))),
      first_byte_(global().get_histogram("forebay_origin_first_byte_seconds",
                                         "Time from a request to an origin until the head of its answer.",
                                         of_origin(name_))) {}

void gate::count_status(unsigned status) {
  if (status < 100 || status > 599) return;
  auto& slot = statuses_[status - 100];
  metrics::counter* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    const std::string text = std::to_string(status);
    const std::array<label, 2> labels = {label{"origin", name_}, label{"status", text}};
    counter = &global().get_counter("forebay_origin_requests_total", "Answers of each origin by status.", labels);
    slot.store(counter, std::memory_order_release);
  }
  counter->add();
}

void gate::count_error(const error& failure) {
  const std::array<label, 2> labels = {label{"origin", name_}, label{"kind", to_string(failure.kind)}};
  global().get_counter("forebay_origin_errors_total", "Reads of each origin that failed, by kind.", labels).add();
}

error gate::refused() const {
  const auto left = breaker_->closed_in();
  error failure{error_kind::unreachable, name_,
                fmt::format("the origin failed repeatedly and is left alone for {} ms more", left.count()), true};
  failure.retry_after = std::max(std::chrono::seconds(1), std::chrono::ceil<std::chrono::seconds>(left));
  return failure;
}

error gate::asked_to_pause(std::chrono::milliseconds left) const {
  error failure{error_kind::throttled, name_,
                fmt::format("the origin asked its readers to slow down and is left alone for {} ms more", left.count()),
                true};
  failure.retry_after = std::max(std::chrono::seconds(1), std::chrono::ceil<std::chrono::seconds>(left));
  return failure;
}

error gate::no_connection(std::string_view whose) const {
  error failure{error_kind::exhausted, name_, fmt::format("no connection to {} became free in time", whose), true};
  failure.retry_after = std::chrono::seconds(1);
  return failure;
}

/// Permits outside of any pause. Who waited for one while a pause began gives it back and waits for its end. The
/// origin's own comes first: its queue does not hold up what others ask of the host.
net::task<result<admission>> gate::enter(std::shared_ptr<gate> self, std::shared_ptr<limiter> host,
                                         net::deadline until) {
  for (bool counted = false;;) {
    const auto left = self->pause_.left();
    if (left.count() == 0) {
      admission held;
      held.origin = co_await self->limiter_->acquire(until);
      if (!held.origin) co_return fail(self->no_connection("it"));
      held.host = co_await host->acquire(until);
      if (!held.host) co_return fail(self->no_connection("its host"));
      if (self->pause_.left().count() == 0) co_return std::move(held);
      continue;
    }
    if (!counted) self->paused_.add();
    counted = true;
    if (std::chrono::steady_clock::now() + left >= until.at) co_return fail(self->asked_to_pause(left));
    co_await net::sleep_for(left);
  }
}

net::task<result<exchange>> gate::perform(http::client_request asked, net::deadline until) {
  const std::shared_ptr<gate> self = shared_from_this();
  if (self->breaker_->closed_in().count() > 0) co_return fail(self->refused());
  auto host = limiter_of_host(asked.url, self->host_limit_.load());
  auto entered = co_await enter(self, std::move(host), until);
  if (!entered) co_return fail(std::move(entered.error()));
  admission held = std::move(*entered);
  auto pass = self->breaker_->enter();
  if (!pass) co_return fail(self->refused());

  http::client* const mine = http::client::try_current();
  if (mine == nullptr) co_return fail(error_kind::cancelled, self->name_, "this node is ending");
  exchange done;
  done.verdict = std::move(*pass);
  done.requested = system_clock().wall();
  auto answer = co_await mine->send(std::move(asked), until);
  done.received = system_clock().wall();
  if (!answer) {
    error failure = named(std::move(answer.error()), self->name_);
    if (counts_against_origin(failure)) done.verdict.failed();
    self->show_breaker();
    co_return fail(std::move(failure));
  }
  self->count_status(answer->head.status);
  self->first_byte_.observe(std::chrono::duration<double>(answer->first_byte).count());
  done.response = std::move(*answer);
  const bool of_error = done.response.head.status >= 400;
  done.response.body =
      std::make_unique<metered_body>(std::move(done.response.body), std::move(held), self->bytes_, of_error, self);
  co_return done;
}

void gate::show_breaker() {
  const bool open = breaker_->is_open();
  breaker_open_.set(open ? 1 : 0);
  if (left_alone_.exchange(open) == open) return;
  if (open) {
    log::warn("origin", "{} failed repeatedly and is left alone but for a probe now and then", name_);
  } else {
    log::info("origin", "{} answers again", name_);
  }
}

void gate::settle(exchange& done, const error* failure) noexcept {
  if (failure != nullptr && failure->kind == error_kind::throttled) {
    if (pause_.throttled(failure->retry_after)) pauses_.add();
  } else {
    pause_.answered();
  }
  if (failure != nullptr && counts_against_origin(*failure)) {
    done.verdict.failed();
  } else {
    done.verdict.succeeded();
  }
  show_breaker();
}

namespace {

/// A text on its way: read by a coroutine of its own, so that whoever wants it can leave at his deadline. A body waits
/// for as long as a byte comes now and then.
struct gathering {
  explicit gathering(std::size_t most) : limit(most) {}
  const std::size_t limit;
  std::string text;
  std::optional<error> failed;
  bool longer = false, ended = false;
  bool left = false; ///< nobody waits any more, and the body may be gone
  net::event done;
};

struct leaving {
  gathering& from;
  ~leaving() { from.left = true; }
};

net::task<void> gather(http::client_body* body, std::shared_ptr<gathering> into, net::deadline until) {
  constexpr std::size_t piece_bytes = 64 * 1024;
  std::vector<std::byte> room(std::min(piece_bytes, into->limit + 1));
  while (!into->left && !into->ended && !until.passed()) {
    auto got = co_await body->read_some(room);
    if (into->left) co_return;
    if (!got) into->failed = std::move(got.error());
    const std::size_t count = got.value_or(0);
    const std::size_t kept = std::min(count, into->limit - into->text.size());
    into->text.append(reinterpret_cast<const char*>(room.data()), kept);
    into->longer = kept < count;
    into->ended = count == 0 || into->longer;
  }
  into->done.notify();
}

net::task<std::shared_ptr<gathering>> gather_until(http::client_body* body, std::size_t limit, net::deadline until) {
  const auto text = std::make_shared<gathering>(limit);
  const leaving at_end{*text}; // also where this frame is destroyed
  net::loop::current().spawn(gather(body, text, until));
  co_await text->done.wait(until);
  co_return text;
}

} // namespace

net::task<std::string> read_some_text(http::client_body* body, std::size_t limit, net::deadline until) {
  const auto read = co_await gather_until(body, limit, until);
  co_return std::move(read->text);
}

net::task<result<std::string>> read_whole(http::client_body* body, std::size_t limit, std::string source,
                                          net::deadline until) {
  const auto read = co_await gather_until(body, limit, until);
  if (read->failed) co_return fail(std::move(*read->failed));
  if (read->longer) {
    co_return fail(error_kind::exhausted, std::move(source), fmt::format("its answer is longer than {} bytes", limit));
  }
  if (!read->ended) co_return fail(error_kind::timeout, std::move(source), "its answer did not end in time", true);
  co_return std::move(read->text);
}

} // namespace forebay::origin
