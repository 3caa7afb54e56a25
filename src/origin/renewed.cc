#include "origin/renewed.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/log.h"
#include "net/loop.h"

namespace forebay::origin {

/// One fetch and those who wait for it. `over` and what follows are written once, under the lock.
struct renewal::round {
  std::vector<net::event> waiting;
  bool over = false;
  shared_value value;
  std::optional<error> failed;
};

struct renewal::finding {
  std::optional<result<shared_value>> at_once;
  std::shared_ptr<round> joined, to_start;
};

/// Ends the round also when the loop ends while the fetch waits: the next reader starts another one.
class renewal::turn {
public:
  turn(std::shared_ptr<renewal> of, std::shared_ptr<round> now) : of_(std::move(of)), now_(std::move(now)) {}
  ~turn() {
    if (now_ != nullptr) of_->end_round(now_, fail(error_kind::cancelled, of_->name_, "this node is ending"));
  }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  void end(result<issued<shared_value>> got) { of_->end_round(std::exchange(now_, nullptr), std::move(got)); }

private:
  std::shared_ptr<renewal> of_;
  std::shared_ptr<round> now_;
};

metrics::counter& fetches_of(const std::string& name, std::string_view outcome) {
  const std::array<metrics::label, 2> labels = {metrics::label{"credential", name}, metrics::label{"outcome", outcome}};
  return metrics::global().get_counter("forebay_origin_credential_fetches_total",
                                       "Fetches of credentials that expire, by credential and outcome.", labels);
}

renewal::renewal(std::string name, fetch get, renewal_margins margins, const clock& time)
    : name_(std::move(name)), fetch_(std::move(get)), margins_(margins), time_(time) {}

bool renewal::serves(wall_time now) const {
  return value_ != nullptr && !refused_ && (!expires_ || now + margins_.last_use < *expires_);
}

bool renewal::is_due(wall_time now) const {
  if (!expires_) return false;
  const auto half_life = (*expires_ - fetched_) / 2;
  return now + std::min<wall_time::duration>(margins_.ahead, half_life) >= *expires_;
}

std::chrono::milliseconds renewal::pause() const {
  const unsigned doublings = std::min(failures_ - 1, 16u);
  return std::min(margins_.longest_pause, margins_.first_pause * (1u << doublings));
}

renewal::finding renewal::look(const net::event& wake) {
  const std::lock_guard lock(mutex_);
  finding found;
  const wall_time now = time_.wall();
  const bool idle = running_ == nullptr;
  const bool may_fetch = time_.steady() >= not_before_;
  const bool good = serves(now);
  if (idle && may_fetch && (!good || is_due(now))) found.to_start = running_ = std::make_shared<round>();
  if (good) {
    found.at_once = value_;
  } else if (running_ != nullptr) {
    found.joined = running_;
    running_->waiting.push_back(wake);
  } else if (last_failure_) {
    error again = *last_failure_;
    again.retryable = false; // a read's own retries are quicker than the pause
    again.retry_after =
        std::max(std::chrono::seconds(1), std::chrono::ceil<std::chrono::seconds>(not_before_ - time_.steady()));
    found.at_once = fail(std::move(again));
  } else {
    found.at_once = value_; // just fetched, and expired already by our clock: the store shall judge
  }
  return found;
}

net::task<result<renewal::shared_value>> renewal::get(net::deadline until) {
  const auto self = shared_from_this();
  const net::event wake;
  const finding found = self->look(wake);
  if (found.to_start != nullptr) net::loop::current().spawn(run(self, found.to_start));
  if (found.at_once) co_return *found.at_once;
  const bool told = co_await wake.wait(until);
  (void)told; // an end that came with the deadline counts
  const std::lock_guard lock(self->mutex_);
  if (!found.joined->over) co_return fail(error_kind::timeout, self->name_, "no credential came in time", true);
  if (found.joined->failed) co_return fail(*found.joined->failed);
  co_return found.joined->value;
}

net::task<> renewal::run(std::shared_ptr<renewal> self, std::shared_ptr<round> now) {
  turn mine(self, std::move(now));
  auto got = co_await self->fetch_(net::deadline::after(self->margins_.fetch_timeout));
  mine.end(std::move(got));
}

void renewal::end_round(const std::shared_ptr<round>& now, result<issued<shared_value>> got) {
  std::vector<net::event> to_wake;
  fetches_of(name_, got ? "ok" : "failed").add();
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
    now->over = true;
    to_wake.swap(now->waiting);
    if (got) {
      value_ = now->value = std::move(got->value);
      expires_ = got->expires;
      fetched_ = time_.wall();
      refused_ = false;
      last_failure_.reset();
      failures_ = 0;
      // A service whose tokens have (nearly) expired already is not asked for each read.
      not_before_ = serves(fetched_) ? steady_time{} : time_.steady() + margins_.first_pause;
    } else {
      now->failed = std::move(got.error());
      last_failure_ = now->failed;
      ++failures_;
      not_before_ = time_.steady() + pause();
      log::warn("origin", "{}: {}{}", name_, now->failed->message(),
                serves(time_.wall()) ? "; the present one serves on" : "");
    }
  }
  for (const net::event& each : to_wake) each.notify();
}

bool renewal::refused(const shared_value& value) {
  const std::lock_guard lock(mutex_);
  if (value != value_ || refused_) return true;
  const steady_time now = time_.steady();
  if (last_refusal_ && now - *last_refusal_ < margins_.between_refusals) return false;
  last_refusal_ = now;
  refused_ = true;
  log::info("origin", "{}: the store refused the present one; it is fetched again", name_);
  return true;
}

} // namespace forebay::origin
