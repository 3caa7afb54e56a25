// Accepting connections within limits, on every loop.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/connection_spread.h"
#include "app/tls_terms.h"
#include "base/metrics.h"
#include "front/published.h"
#include "http/server.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/stream.h"

namespace forebay::app {

/// Limits of connections; replaced by a reload, for connections that come later.
struct connection_limits {
  http::server_limits server;
  unsigned connections = 20'000;
  unsigned connections_per_client = 2'000;
  unsigned tls_handshakes = 4'096;
  std::chrono::milliseconds tls_handshake_timeout{10'000};
  std::vector<net::ip_network> trusted_proxies; ///< many clients behind one address: not limited as one
};

/// Counts the open connections of the node and of each client (`front::client_network`). Thread-safe.
class connection_book {
public:
  explicit connection_book(std::atomic<std::int64_t>& open) : open_(open) {}

  /// A place in the book; leaving it is destroying the ticket.
  class ticket {
  public:
    ticket(connection_book& book, const net::ip_address& client) : book_(&book), client_(client) {}
    ticket(ticket&& other) noexcept : book_(std::exchange(other.book_, nullptr)), client_(other.client_) {}
    ticket& operator=(ticket&& other) noexcept {
      std::swap(book_, other.book_);
      std::swap(client_, other.client_);
      return *this;
    }
    ~ticket() {
      if (book_ != nullptr) book_->leave(client_);
    }

  private:
    connection_book* book_;
    net::ip_address client_;
  };
  /// Nothing when the client has `per_client` connections already (0: any number).
  std::optional<ticket> enter(const net::ip_address& client, unsigned per_client);
  std::int64_t open() const noexcept { return open_.load(std::memory_order_relaxed); }

private:
  void leave(const net::ip_address& client);
  static constexpr std::size_t shard_count = 16; // connections come and go on all cores at once
  struct alignas(64) shard {
    std::mutex lock;
    std::map<net::ip_address, unsigned> counts;
  };
  shard& shard_of(const net::ip_address& client) noexcept;
  std::array<shard, shard_count> shards_;
  std::atomic<std::int64_t>& open_;
};

/// What came of TLS handshakes.
struct handshake_counts {
  handshake_counts();
  metrics::gauge& in_progress;
  metrics::counter &full, &resumed, &refused, &timed_out, &unauthorised, &failed, &in_kernel;
};

/// What every accepted connection of the node shares. Outlives the loops' coroutines.
struct accept_context {
  accept_context(std::shared_ptr<const connection_limits> limits_now, std::atomic<std::int64_t>& open,
                 net::loop_group& loops);

  front::published<connection_limits> limits;
  connection_book book;
  connection_spread spread;
  std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);
  metrics::counter& accepted;
  metrics::counter& refused;  ///< limits.connections_per_client
  metrics::counter& deferred; ///< limits.connections: left in the kernel's queue
  handshake_counts handshakes;
};

/// A connection with TLS on it; null when there is none, which has been counted and its connection ended.
net::task<std::unique_ptr<net::stream>> secure(std::unique_ptr<net::stream> plain, std::shared_ptr<listener_terms> tls,
                                               std::shared_ptr<accept_context> context);

/// Accepts on `from` until it is closed, cleartext where `tls` is null; connections are served by this loop or by one
/// that has less to do. `limited` is false for admin alone: they neither count nor wait, for whoever looks for the
/// cause of too many connections must get in.
net::task<void> accept_connections(std::shared_ptr<net::listener> from, std::shared_ptr<http::handler> front,
                                   std::shared_ptr<accept_context> context, std::shared_ptr<listener_terms> tls,
                                   bool limited);

} // namespace forebay::app
