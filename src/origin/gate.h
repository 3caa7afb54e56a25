// The door to one origin: its limit of exchanges, its breaker, the pause it asked for, its counters.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "http/client.h"
#include "origin/breaker.h"
#include "origin/factory.h"
#include "origin/limiter.h"
#include "origin/shared_backoff.h"

namespace forebay::origin {

/// An exchange whose head has come. The breaker waits for `gate::settle` to learn what the head meant.
struct exchange {
  http::client_response response; ///< its body counts bytes and holds the permit
  breaker::pass verdict;
  wall_time requested{}, received{};
};

/// The limit of exchanges with the host of `url` (scheme, name and port), shared by all that ask there, through
/// whatever origin or redirect. `limit` takes effect for all.
std::shared_ptr<limiter> limiter_of_host(const std::string& url, unsigned limit);

/// The right to one exchange with an origin, and with the host where it lies.
struct admission {
  permit origin, host;
  void give_back() noexcept {
    host.give_back();
    origin.give_back();
  }
};

/// One per origin and credential scope, shared by all sources of the process that lead there, also across
/// reloads. Thread-safe; exchanges run on the calling loop.
class gate : public std::enable_shared_from_this<gate> {
public:
  /// The gate of that name and scope; `limits` take effect for all who share it.
  static std::shared_ptr<gate> find(const std::string& name, const std::string& scope, const origin_limits& limits);

  gate(std::string name, const origin_limits& limits, const clock& time = system_clock());

  /// Waits for the end of a pause that the origin asked for, for a permit of the origin and one of its host, asks the
  /// breaker, sends. unreachable (with retry_after) while the breaker is open, throttled (with retry_after) when the
  /// pause ends after `until`, exhausted when no permit came in time; otherwise what the client says. Failures of the
  /// exchange itself are settled here.
  net::task<result<exchange>> perform(http::client_request asked, net::deadline until);

  /// What the head turned out to be: nothing for a success.
  void settle(exchange& done, const error* failure) noexcept;
  /// Counts a failure in the metrics (once, at the end of a read with all its attempts).
  void count_error(const error& failure);
  void count_retry() { retries_.add(); }
  void count_status(unsigned status);

  limiter& permits() noexcept { return *limiter_; }
  breaker& circuit() noexcept { return *breaker_; }
  shared_backoff& pause() noexcept { return pause_; }
  const std::string& name() const noexcept { return name_; }

private:
  void show_breaker();
  error refused() const;
  error no_connection(std::string_view whose) const;
  error asked_to_pause(std::chrono::milliseconds left) const;
  static net::task<result<admission>> enter(std::shared_ptr<gate> self, std::shared_ptr<limiter> host,
                                            net::deadline until);

  std::string name_;
  std::shared_ptr<limiter> limiter_;
  std::atomic<unsigned> host_limit_;
  std::shared_ptr<breaker> breaker_;
  shared_backoff pause_;
  metrics::counter& bytes_;
  metrics::counter& retries_;
  metrics::counter& pauses_;
  metrics::counter& paused_;
  metrics::gauge& breaker_open_;
  std::atomic<bool> left_alone_{false}; ///< what the log said last
  metrics::histogram& first_byte_;
  std::array<std::atomic<metrics::counter*>, 500> statuses_{}; ///< of 100 to 599, looked up once each
};

/// How long the words of an error answer, or an unwanted body, may take: whoever waits for the object waits for them.
inline constexpr std::chrono::milliseconds words_time{2'000};
/// The bytes of `body`, at most `limit`; what was read so far when it is longer, breaks or takes until `until`. For
/// error bodies. Nobody reads the body afterwards.
net::task<std::string> read_some_text(http::client_body* body, std::size_t limit,
                                      net::deadline until = net::deadline::after(words_time));
/// All bytes of `body`; exhausted when there are more than `limit`, timeout when they took until `until`. Nobody reads
/// the body afterwards.
net::task<result<std::string>> read_whole(http::client_body* body, std::size_t limit, std::string source,
                                          net::deadline until);

} // namespace forebay::origin
