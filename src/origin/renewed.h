// A credential that expires: fetched once for the whole node, renewed ahead of its end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "net/task.h"
#include "net/wait.h"

namespace forebay::origin {

/// When a value is renewed, and how failures are paced.
struct renewal_margins {
  /// A value with less left than this is renewed while it still serves (but not before half its life has passed).
  std::chrono::seconds ahead{300};
  /// A value with less left than this is not shown any more: an exchange that begins with it might end without it.
  std::chrono::seconds last_use{10};
  /// Of one fetch: a token service that hangs must not hold up readers for longer.
  std::chrono::milliseconds fetch_timeout{20'000};
  /// After a failed fetch the service is left alone this long; doubles up to the cap.
  std::chrono::milliseconds first_pause{1'000}, longest_pause{60'000};
  /// A refused value is fetched again at most once in this time: a store that refuses whatever it is shown (a role
  /// without rights) must not turn every read into a request for a token.
  std::chrono::seconds between_refusals{30};
};

/// What a fetch gives; without `expires` the value serves until it is refused.
template <class T>
struct issued {
  T value;
  std::optional<wall_time> expires;
};

/// The part of `renewed` that does not know the value's type. Thread-safe. A fetch runs on the loop of whoever needed
/// it first, apart from its reader: a reader who leaves cancels nothing that others wait for.
class renewal : public std::enable_shared_from_this<renewal> {
public:
  using shared_value = std::shared_ptr<const void>;
  using fetch = std::function<net::task<result<issued<shared_value>>>(net::deadline until)>;

  /// `name` is what failures name ("credentials of s3://..."); `time` outlives this.
  renewal(std::string name, fetch get, renewal_margins margins, const clock& time);

  net::task<result<shared_value>> get(net::deadline until);
  bool refused(const shared_value& value);

private:
  struct round;
  class turn;
  /// What a reader finds: a value or failure at once, or the round to wait for; and a round that it must start.
  struct finding;
  finding look(const net::event& wake);
  static net::task<> run(std::shared_ptr<renewal> self, std::shared_ptr<round> now);
  void end_round(const std::shared_ptr<round>& now, result<issued<shared_value>> got);
  bool serves(wall_time now) const;
  bool is_due(wall_time now) const;
  std::chrono::milliseconds pause() const;

  const std::string name_;
  const fetch fetch_;
  const renewal_margins margins_;
  const clock& time_;
  std::mutex mutex_; ///< guards all below
  shared_value value_;
  wall_time fetched_{};
  std::optional<wall_time> expires_;
  bool refused_ = false;
  std::optional<steady_time> last_refusal_;
  std::shared_ptr<round> running_;
  std::optional<error> last_failure_; ///< of the fetch before; none after a success
  unsigned failures_ = 0;             ///< in a row
  steady_time not_before_{};          ///< the next fetch
};

/// How often the credential of that name was fetched with that outcome ("ok", "failed").
metrics::counter& fetches_of(const std::string& name, std::string_view outcome);

/// A value that expires (a token, keys). Copies share it. Thread-safe.
template <class T>
class renewed {
public:
  using pointer = std::shared_ptr<const T>;
  using fetch = std::function<net::task<result<issued<T>>>(net::deadline until)>;

  renewed(std::string name, fetch get, renewal_margins margins = {}, const clock& time = system_clock())
      : core_(std::make_shared<renewal>(
            std::move(name), [get = std::move(get)](net::deadline until) { return erased(get, until); }, margins,
            time)) {}

  /// The present value; fetched first where there is none that serves, together with all who wait for the same. While
  /// the old one is valid, it goes on serving when its renewal fails. Otherwise the failure of the fetch, also to those
  /// who come within the pause after it; timeout when `until` comes first.
  net::task<result<pointer>> get(net::deadline until) const { return typed(core_, until); }

  /// The store did not take `value`, though it had not expired. True when it is worth another attempt: the value has
  /// been replaced already, or the next `get` fetches a new one. False when that was done a moment ago.
  bool refused(const pointer& value) const { return core_->refused(value); }

private:
  static net::task<result<issued<renewal::shared_value>>> erased(fetch get, net::deadline until) {
    auto got = co_await get(until);
    if (!got) co_return fail(std::move(got.error()));
    issued<renewal::shared_value> out;
    out.value = std::make_shared<const T>(std::move(got->value));
    out.expires = got->expires;
    co_return out;
  }
  static net::task<result<pointer>> typed(std::shared_ptr<renewal> core, net::deadline until) {
    auto got = co_await core->get(until);
    if (!got) co_return fail(std::move(got.error()));
    co_return std::static_pointer_cast<const T>(std::move(*got));
  }

  std::shared_ptr<renewal> core_;
};

} // namespace forebay::origin
