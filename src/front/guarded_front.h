// What stands before every front of readers: too many requests of one client, and more than can be answered in time.
#pragma once

#include <memory>
#include <vector>

#include "base/metrics.h"
#include "front/published.h"
#include "front/request_rate.h"
#include "http/server.h"

namespace forebay::front {

/// Each has a setting `limits.*` of the same name.
struct guard_settings {
  unsigned requests_per_client = 10'000; ///< in a second; 0: any number
  std::vector<net::ip_network> trusted_proxies;
  bool proxies_say_forwarded = false;
};

/// What the guards of all listeners share. Thread-safe.
class guard {
public:
  guard(std::shared_ptr<const guard_settings> settings, const clock& time);
  void update(std::shared_ptr<const guard_settings> settings) { settings_.set(std::move(settings)); }

  /// Why this request is not answered now (503 or 429, told by `status`); nothing where it may pass.
  std::optional<error> refusal(const http::request& asked, unsigned& status);
  /// Why a request that came then (`stream::arrived`) is refused, and were it a hit; null where it is not.
  const error* overload(steady_time arrived) const noexcept;
  void count_shed() noexcept { shed_.add(); }
  /// The peer's requests are others', whom only their fields tell: they are neither recalled nor remembered.
  bool speaks_for_others(const net::ip_address& peer) const;
  /// Takes what the answer counts for the client; false, with nothing taken, where it asks too often.
  bool take(const net::ip_address& peer);

private:
  const clock& time_;
  published<guard_settings> settings_;
  request_rate rates_;
  metrics::counter &refused_client_, &shed_;
};

/// Asks the guard, then the front. The answer to a refused request is the front's own, in its protocol's words; it
/// costs no lookup. Thread-safe.
class guarded_front final : public http::handler {
public:
  guarded_front(std::shared_ptr<http::handler> inner, std::shared_ptr<guard> by)
      : inner_(std::move(inner)), guard_(std::move(by)) {}

  net::task<http::response> handle(http::request& asked) override;
  void finished(const http::exchange_record& record, const http::response& answer) noexcept override {
    inner_->finished(record, answer);
  }
  http::response refuse(const error& why, unsigned status) override { return inner_->refuse(why, status); }
  bool recall(std::string_view raw_head, net::stream& to, http::recalled& into) noexcept override;
  void recall_waits(http::recalled& answer, const net::stream& to) noexcept override {
    inner_->recall_waits(answer, to);
  }
  void recall_ended(const http::recalled& answer, const net::stream& to, std::uint64_t sent_bytes, bool complete,
                    std::chrono::nanoseconds total) noexcept override {
    if (answer.refused_status != 0) guard_->count_shed();
    inner_->recall_ended(answer, to, sent_bytes, complete, total);
  }

private:
  std::shared_ptr<http::handler> inner_;
  std::shared_ptr<guard> guard_;
};

} // namespace forebay::front
