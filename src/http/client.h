// HTTP client: libcurl's multi interface on the loop, one per core.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "http/message.h"
#include "net/address.h"
#include "net/resolver.h"

namespace forebay::http {

class client_certificate;

/// Deadlines and limits of exchanges with origins.
struct client_limits {
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds first_byte_timeout{30'000}; ///< request sent to status line
  std::chrono::milliseconds stall_timeout{20'000};      ///< without a byte of the body while we read
  unsigned connections_per_origin = 64;                 ///< of the whole node, over all loops
  std::size_t header_bytes = 64 * 1024;                 ///< of a response's head
};

struct client_settings {
  std::string proxy;     ///< outbound proxy URL, empty: none
  std::string ca_bundle; ///< file of PEM certificates, empty: the system's
  net::address_policy addresses;
  std::string user_agent;
  client_limits limits;
};

struct client_request {
  std::string method = "GET";
  std::string url; ///< absolute, already percent-encoded: sent byte for byte (no path normalisation)
  header_table fields;
  std::string body;                    ///< for unsafe methods with a small body
  std::unique_ptr<body_source> upload; ///< streamed body instead of `body`
  std::optional<std::uint64_t> upload_bytes;
  bool policy_applies = true; ///< check the resolved address against `addresses`
  /// Called with each interim answer (1xx but 100 and 101) before the final one comes.
  std::function<void(const response_head&)> on_interim{};
  std::shared_ptr<const client_certificate> certificate{}; ///< shown to an HTTPS server that asks who we are
  bool direct = false; ///< past the outbound proxy: to a service that this machine alone may ask
};

/// The body of an answer, pulled into the caller's memory. Destroying it before the end aborts the transfer.
/// Loop thread only.
class client_body {
public:
  virtual ~client_body() = default;
  /// At least one byte into `into`; 0 at the proper end. broken when the transfer ended short of its length,
  /// timeout when it stalled. Backpressure: nothing is read from the socket while nobody reads here (beyond
  /// one receive buffer).
  virtual net::task<result<std::size_t>> read_some(std::span<std::byte> into) = 0;
  /// True when the whole rest of the body has arrived already (ending now costs nothing).
  virtual bool at_end() const noexcept = 0;
  /// Trailer fields as they came, known after the proper end; null where there are none.
  virtual const header_table* trailers() const noexcept { return nullptr; }
};

struct client_response {
  response_head head;
  std::unique_ptr<client_body> body; ///< never null
  std::chrono::nanoseconds first_byte{};
};

/// One per loop; loop thread only. Resolves names itself (c-ares), checks every address against the policy,
/// pins it (CURLOPT_RESOLVE) and checks again when the socket opens. Follows no redirects: the caller does,
/// within its policy. HTTP/1.1 with keep-alive pools. `deadline` bounds connection and head. The process must
/// ignore SIGPIPE: OpenSSL writes to connections that a peer has closed.
class client {
public:
  client(std::shared_ptr<const client_settings> settings);
  ~client();
  net::task<result<client_response>> send(client_request asked, net::deadline until);
  /// Settings for later exchanges (reload).
  void update(std::shared_ptr<const client_settings> settings);

  /// The client of the current loop; set up by app/ (or a test) with `install`.
  static client& current() noexcept;
  /// The same, or null while none is installed (the loop starts or ends).
  static client* try_current() noexcept;
  static void install(std::unique_ptr<client> mine); ///< on the loop's thread; null removes

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace forebay::http
