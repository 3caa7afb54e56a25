#include "app/connections.h"

#include "base/log.h"
#include "front/client_address.h"
#include "front/client_network.h"
#include "http/http2/guard.h"
#include "net/slice.h"

namespace forebay::app {
namespace {

/// How often a full node looks whether a connection has ended.
constexpr std::chrono::milliseconds full_poll{20};
/// A refused client gets this long to take a hundred bytes.
constexpr std::chrono::milliseconds refusal_stall{1'000};

constexpr std::string_view refusal = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
                                     "Content-Type: text/plain\r\nContent-Length: 43\r\n\r\n"
                                     "limits.connections_per_client was reached\r\n";

/// Where a connection is counted as long as it is served; empty for those that nobody counts.
struct places {
  std::optional<connection_book::ticket> book;
  std::optional<connection_spread::place> loop;
};

net::task<void> refuse(std::unique_ptr<net::stream> connection) {
  const net::slice text = net::make_slice(std::string(refusal));
  const std::array<net::slice, 1> pieces{text};
  auto sent = co_await connection->send(pieces, false, refusal_stall);
  if (sent) {
    connection->close();
  } else {
    connection->abort();
  }
}

net::task<void> serve_one(places held, net::accepted_socket accepted, std::shared_ptr<http::handler> front,
                          std::shared_ptr<accept_context> context, std::shared_ptr<listener_terms> tls,
                          std::shared_ptr<const http::server_limits> limits) {
  const places mine = std::move(held); // until the connection has ended
  auto connection = std::move(accepted).adopt();
  if (tls != nullptr) {
    connection = co_await secure(std::move(connection), std::move(tls), context);
    if (connection == nullptr) co_return;
  }
  co_await http::serve_connection(std::move(connection), std::move(front), std::move(limits), context->draining);
}

} // namespace

connection_book::shard& connection_book::shard_of(const net::ip_address& client) noexcept {
  std::size_t mixed = 0;
  for (const std::uint8_t byte : client.bytes()) mixed = mixed * 31 + byte;
  return shards_[mixed % shard_count];
}

std::optional<connection_book::ticket> connection_book::enter(const net::ip_address& client, unsigned per_client) {
  {
    shard& one = shard_of(client);
    const std::lock_guard hold(one.lock);
    unsigned& count = one.counts[client];
    if (per_client != 0 && count >= per_client) return std::nullopt;
    ++count;
  }
  open_.fetch_add(1, std::memory_order_relaxed);
  return ticket(*this, client);
}

void connection_book::leave(const net::ip_address& client) {
  {
    shard& one = shard_of(client);
    const std::lock_guard hold(one.lock);
    const auto found = one.counts.find(client);
    if (--found->second == 0) one.counts.erase(found);
  }
  open_.fetch_sub(1, std::memory_order_relaxed);
}

accept_context::accept_context(std::shared_ptr<const connection_limits> limits_now, std::atomic<std::int64_t>& open,
                               net::loop_group& loops)
    : limits(std::move(limits_now)),
      book(open),
      spread(loops),
      accepted(metrics::global().get_counter("forebay_connections_accepted_total", "Connections of readers accepted")),
      refused(metrics::global().get_counter(
          "forebay_connections_refused_total",
          "Connections answered 503 because their client has limits.connections_per_client already")),
      deferred(metrics::global().get_counter(
          "forebay_connections_deferred_total",
          "Times that accepting paused because limits.connections were open; clients wait in the kernel's queue")) {
  http::http2_metrics(); // there from the start
}

net::task<void> accept_connections(std::shared_ptr<net::listener> from, std::shared_ptr<http::handler> front,
                                   std::shared_ptr<accept_context> context, std::shared_ptr<listener_terms> tls,
                                   bool limited) {
  for (;;) {
    auto limits = context->limits.get();
    if (limited && context->book.open() >= static_cast<std::int64_t>(limits->connections)) {
      context->deferred.add();
      while (context->book.open() >= static_cast<std::int64_t>(context->limits.get()->connections) &&
             !context->draining->load()) {
        co_await net::sleep_for(full_poll);
      }
    }
    auto accepted = co_await from->accept();
    if (!accepted) co_return; // closed
    limits = context->limits.get();
    places held;
    if (limited) {
      context->accepted.add();
      const net::ip_address peer = accepted->peer().address;
      const bool is_proxy = front::is_in_one(limits->trusted_proxies, peer);
      held.book = context->book.enter(front::client_network(peer), is_proxy ? 0 : limits->connections_per_client);
      if (!held.book) {
        context->refused.add();
        // In TLS the words would cost a handshake, which is what the client has too many of.
        if (tls == nullptr) {
          net::loop::current().spawn(refuse(std::move(*accepted).adopt()));
        } else {
          std::move(*accepted).adopt()->abort();
        }
        continue;
      }
      held.loop = context->spread.enter();
    }
    net::loop& on = held.loop ? held.loop->loop() : net::loop::current();
    std::shared_ptr<const http::server_limits> server(limits, &limits->server);
    on.spawn(serve_one(std::move(held), std::move(*accepted), front, context, tls, std::move(server)));
  }
}

} // namespace forebay::app
