#include "front/guarded_front.h"

#include "base/limit_counter.h"
#include "front/client_address.h"
#include "front/client_network.h"
#include "net/queue_delay.h"

namespace forebay::front {
namespace {

net::task<http::response> ready(http::response made) { co_return made; }

} // namespace

guard::guard(std::shared_ptr<const guard_settings> settings, const clock& time)
    : time_(time),
      settings_(std::move(settings)),
      refused_client_(metrics::refused_by("requests_per_client")),
      shed_(metrics::refused_by("queue_delay")) {}

std::optional<error> guard::refusal(const http::request& asked, unsigned& status) {
  if (net::queue_pressure() == net::pressure::all) {
    shed_.add();
    status = 503;
    return error{
        error_kind::exhausted,  "node", "limits.queue_delay: more is asked of this node than it can answer", true, 0,
        std::chrono::seconds(1)};
  }
  const auto settings = settings_.get();
  if (settings->requests_per_client == 0) return std::nullopt;
  const auto client = client_network(client_address(asked.peer.address, asked.head.fields, settings->trusted_proxies,
                                                    settings->proxies_say_forwarded));
  const auto wait = rates_.take(client, settings->requests_per_client, time_.steady());
  if (!wait) return std::nullopt;
  refused_client_.add();
  status = 429;
  return error{
      error_kind::exhausted, "client", "limits.requests_per_client: this client asks too often", true, 0, *wait};
}

bool guard::may_recall(const net::ip_address& peer) const {
  if (net::queue_pressure() == net::pressure::all) return false;
  return !speaks_for_others(peer);
}

bool guard::speaks_for_others(const net::ip_address& peer) const {
  const auto settings = settings_.get();
  return !settings->trusted_proxies.empty() && is_in_one(settings->trusted_proxies, peer);
}

bool guard::take(const net::ip_address& peer) {
  const auto settings = settings_.get();
  if (settings->requests_per_client == 0) return true;
  return !rates_.take(client_network(peer), settings->requests_per_client, time_.steady());
}

/// A request that is refused here is asked about again, and refused in words, by `handle`.
bool guarded_front::recall(std::string_view raw_head, net::stream& to, http::recalled& into) noexcept {
  const net::ip_address peer = to.peer().address;
  return guard_->may_recall(peer) && inner_->recall(raw_head, to, into) && guard_->take(peer);
}

net::task<http::response> guarded_front::handle(http::request& asked) {
  if (!asked.raw_head.empty() && guard_->speaks_for_others(asked.peer.address)) asked.raw_head = {};
  unsigned status = 0;
  const auto why = guard_->refusal(asked, status);
  if (!why) return inner_->handle(asked);
  http::response made = inner_->refuse(*why, status);
  made.close = false; // its framing was sound
  return ready(std::move(made));
}

} // namespace forebay::front
