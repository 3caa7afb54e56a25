// libcurl's multi interface driven by the loop.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "net/wait.h"

namespace forebay::http {

class client_transfer;

/// One curl_multi with its connection pool, its sockets under `fd_watch` and its one timer. libcurl is never
/// entered from within its own callbacks: callbacks only note what happened, and whoever entered libcurl
/// settles it afterwards (ended transfers, coroutines to wake). Owner: the client and every transfer in
/// flight; loop thread only.
class client_engine : public std::enable_shared_from_this<client_engine> {
public:
  client_engine();
  ~client_engine();
  client_engine(const client_engine&) = delete;
  client_engine& operator=(const client_engine&) = delete;

  /// A reset easy handle; `give_back` returns it for later use.
  CURL* take_easy();
  void give_back(CURL* easy);

  /// Starts a transfer. Its callbacks may run before this returns.
  CURLMcode add(CURL* easy);
  /// Ends a transfer, whatever its state: an unfinished one loses its connection.
  void remove(CURL* easy);
  /// Goes on with a paused transfer; data may be delivered before this returns.
  void resume(CURL* easy);
  /// Notes that the transfer's coroutine has something to look at; it is woken when libcurl has returned.
  void wake(client_transfer& whom);

  /// Watches the TLS connections of `easy` for close_notify, of which libcurl says nothing.
  void watch_tls(CURL* easy);
  /// True when the peer has ended this TLS session (an SSL*) properly while libcurl was entered last.
  bool tls_ended(const void* session) const noexcept;

private:
  static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*);
  static int on_timer(CURLM*, long timeout_ms, void* self);
  static CURLcode on_tls_context(CURL*, void* context, void* self);
  void act(curl_socket_t fd, int mask);
  void settle();
  void read_messages();

  CURLM* multi_;
  std::unordered_map<curl_socket_t, std::unique_ptr<net::fd_watch>> watches_;
  net::timer timer_;
  bool due_now_ = false; ///< libcurl asked to be called at once
  bool inside_ = false;  ///< libcurl is on the stack, or its results are being settled
  std::vector<CURL*> idle_easy_;
  std::vector<const void*> tls_ends_; ///< sessions ended since libcurl was entered
  std::vector<std::shared_ptr<client_transfer>> to_wake_;
};

} // namespace forebay::http
