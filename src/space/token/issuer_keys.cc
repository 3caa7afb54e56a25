#include "space/token/issuer_keys.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/log.h"
#include "net/loop.h"

namespace forebay::space {
namespace {

/// A wait for a fetch ends this much after the fetch's own deadline.
constexpr std::chrono::milliseconds waiting_grace{2'000};
constexpr std::chrono::milliseconds first_pause{1'000};

metrics::counter& fetches_of(const std::string& issuer, std::string_view outcome) {
  const std::array<metrics::label, 2> labels{{{"issuer", issuer}, {"result", outcome}}};
  return metrics::global().get_counter("forebay_jwks_fetches_total",
                                       "Fetches of issuers' keys, by issuer and result (ok, failed)", labels);
}

} // namespace

struct issuer_keys::state {
  state(std::string issuer, fetch from, key_limits with, const clock& used)
      : name(std::move(issuer)),
        get(std::move(from)),
        limits(with),
        time(used),
        fetched(fetches_of(name, "ok")),
        failed(fetches_of(name, "failed")) {}

  bool serves() const { return value != nullptr && (fixed || time.steady() < read + limits.lifetime); }
  bool is_due() const { return !fixed && (value == nullptr || time.steady() >= read + limits.lifetime / 2); }

  const std::string name;
  const fetch get;
  const key_limits limits;
  const clock& time;
  metrics::counter& fetched;
  metrics::counter& failed;

  std::mutex mutex; ///< guards all below
  pointer value;
  bool fixed = false;
  bool running = false;
  steady_time read{}, not_before{};
  unsigned failures = 0; ///< in a row
  std::optional<error> last_failure;
  std::vector<net::event> waiting;
};

/// What there is at once; without it, one waits.
struct issuer_keys::finding {
  std::optional<result<pointer>> at_once;
  bool starts = false;
};

issuer_keys::issuer_keys(std::string name, fetch get, key_limits limits, const clock& time)
    : state_(std::make_shared<state>(std::move(name), std::move(get), limits, time)) {}

issuer_keys::issuer_keys(std::string name, pointer fixed, const clock& time)
    : state_(std::make_shared<state>(std::move(name), fetch{}, key_limits{}, time)) {
  state_->value = std::move(fixed);
  state_->fixed = true;
}

net::task<result<issuer_keys::pointer>> issuer_keys::get() const { return find(state_, nullptr); }
net::task<result<issuer_keys::pointer>> issuer_keys::newer(pointer than) const { return find(state_, std::move(than)); }

net::task<result<issuer_keys::pointer>> issuer_keys::find(std::shared_ptr<state> of, pointer not_this) {
  const net::event wake;
  finding found;
  {
    const std::lock_guard lock(of->mutex);
    const bool unwanted = not_this != nullptr && of->value == not_this && !of->fixed;
    const bool may_fetch = !of->running && !of->fixed && of->time.steady() >= of->not_before;
    if (may_fetch && (unwanted || of->is_due())) found.starts = of->running = true;
    if (of->serves() && !(unwanted && of->running)) {
      found.at_once = of->value;
    } else if (of->running) {
      of->waiting.push_back(wake);
    } else {
      found.at_once = fail(of->last_failure.value_or(
          error{error_kind::unreachable, "issuer " + of->name, "there are no keys of it that may still serve"}));
    }
  }
  if (found.starts) net::loop::current().spawn(run(of));
  if (found.at_once) co_return std::move(*found.at_once);
  const bool told = co_await wake.wait(net::deadline::after(of->limits.timeout + waiting_grace));
  static_cast<void>(told); // what is there now counts, however the wait ended
  const std::lock_guard lock(of->mutex);
  if (of->serves()) co_return of->value;
  if (of->last_failure) co_return fail(*of->last_failure);
  co_return fail(error_kind::timeout, "issuer " + of->name, "its keys did not come in time", true);
}

net::task<void> issuer_keys::run(std::shared_ptr<state> of) {
  auto text = co_await of->get(net::deadline::after(of->limits.timeout));
  auto keys = text ? key_set::parse(*text) : result<pointer>(fail(text.error()));
  std::vector<net::event> to_wake;
  {
    const std::lock_guard lock(of->mutex);
    of->running = false;
    to_wake.swap(of->waiting);
    const steady_time now = of->time.steady();
    if (keys) {
      of->value = std::move(*keys);
      of->read = now;
      of->failures = 0;
      of->last_failure.reset();
      of->not_before = now + of->limits.pause;
      of->fetched.add();
    } else {
      const unsigned doublings = std::min(of->failures++, 16u);
      of->not_before = now + std::min(of->limits.pause, first_pause * (1u << doublings));
      // A reader is told nothing of the addresses in there: his token has not been verified.
      of->last_failure = error{keys.error().kind == error_kind::timeout ? error_kind::timeout : error_kind::unreachable,
                               "issuer " + of->name, "its keys cannot be had now", true};
      of->failed.add();
      log::warn("access", "{}: {}{}", of->last_failure->message(), keys.error().context,
                of->serves() ? "; the present ones serve on" : "");
    }
  }
  for (const net::event& each : to_wake) each.notify();
}

} // namespace forebay::space
