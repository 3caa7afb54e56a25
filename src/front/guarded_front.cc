#include "front/guarded_front.h"

#include "base/limit_counter.h"
#include "front/client_address.h"
#include "front/client_network.h"
#include "net/queue_delay.h"

namespace forebay::front {
namespace {

constexpr unsigned overload_status = 503;

net::task<http::response> ready(http::response made) { co_return made; }

} // namespace

guard::guard(std::shared_ptr<const guard_settings> settings, const clock& time)
    : time_(time),
      settings_(std::move(settings)),
      refused_client_(metrics::refused_by("requests_per_client")),
      shed_(metrics::refused_by("queue_delay")) {}

std::optional<error> guard::refusal(const http::request& asked, unsigned& status) {
  const steady_time arrived = asked.connection == nullptr ? steady_time{} : asked.connection->arrived();
  if (const error* const why = overload(arrived)) {
    shed_.add();
    status = overload_status;
    return *why;
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

const error* guard::overload(steady_time arrived) const noexcept {
  static const error why{
      error_kind::exhausted,  "node", "limits.queue_delay: more is asked of this node than it can answer", true, 0,
      std::chrono::seconds(1)};
  return net::queue_pressure(arrived) == net::pressure::all ? &why : nullptr;
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

/// What is not recalled is asked about again, and refused in words where it must be, by `handle`.
bool guarded_front::recall(std::string_view raw_head, net::stream& to, http::recalled& into) noexcept {
  const net::ip_address peer = to.peer().address;
  if (guard_->speaks_for_others(peer)) return false;
  if (const error* const why = guard_->overload(to.arrived())) {
    // To refuse in words costs more than to answer: under overload it is what counts.
    return inner_->recall_refusal(raw_head, *why, overload_status, into);
  }
  return inner_->recall(raw_head, to, into) && guard_->take(peer);
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
