// What all stores that speak HTTP share: attempts, decoration of requests, checks of answers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "origin/answer.h"
#include "origin/authority.h"
#include "origin/gate.h"
#include "origin/source.h"

namespace forebay::origin {

/// The skeleton of a read over HTTP. A kind of store says how its request looks and what it does about
/// redirects (`attempt`); retries, the breaker and the checks are here. Thread-safe: immutable but for what a
/// kind guards itself.
class http_source : public source, public std::enable_shared_from_this<http_source> {
public:
  const std::string& name() const noexcept final { return gate_->name(); }
  net::task<result<read_answer>> read(read_request asked) final;
  double egress_usd_per_gb() const noexcept final { return egress_usd_per_gb_; }

protected:
  http_source(std::string name, const std::string& scope, const source_settings& settings, double egress_usd_per_gb);

  /// One try of a read, redirects included.
  virtual net::task<result<read_answer>> attempt(std::shared_ptr<const read_request> asked, net::deadline until) = 0;

  /// Tries `once` until it succeeds, fails for good, or attempts and time are used up. Honours Retry-After.
  template <class T>
  static net::task<result<T>> with_retries(std::shared_ptr<const http_source> self,
                                           std::function<net::task<result<T>>()> once, unsigned attempts,
                                           net::deadline until);

  /// Method, end-to-end fields, range, pin and conditions of a read; the URL is the caller's to set.
  http::client_request begin_request(const read_request& asked) const;
  void announce(http::header_table& fields) const;

  /// Sends what `make` gives with the credentials of `shown` (null: none). Where the store answers 401 to credentials
  /// that can be renewed, it is asked once more with new ones; what it answers then counts.
  static net::task<result<exchange>> send_authorised(std::shared_ptr<const http_source> self,
                                                     std::shared_ptr<authority> shown,
                                                     std::function<http::client_request()> make, net::deadline until);

  /// A write, sent once, whose final answer is passed on.
  static net::task<result<write_answer>> send_write(std::shared_ptr<const http_source> self,
                                                    std::shared_ptr<authority> shown, http::client_request request,
                                                    net::deadline until);

  /// Turns the head of an exchange into an answer or a failure, reads an error's body for its words, and tells
  /// the breaker. What is neither an object (200, 203, 204, 206) nor a 304 is `broken`: a redirect that arrives here
  /// would lead a reader past the node, often by a signed URL.
  net::task<result<read_answer>> conclude(std::shared_ptr<const read_request> asked, exchange done);
  /// The failure that an error status means, with the words of its body. The challenge of a refusal goes into `probe`,
  /// where there is one; the token is in no word of it.
  net::task<error> read_failure(exchange* done, shown_token token, std::shared_ptr<access_probe> probe);
  /// Ends an exchange whose body nobody needs; a short rest is read so that the connection can be kept.
  static net::task<void> discard(std::unique_ptr<http::client_body> body);

  /// What a request is sent with: what its reader brought, where readers bring their own right, else `own`.
  std::shared_ptr<authority> shown_for(const shown_token& token, std::shared_ptr<authority> own) const;

  /// Takes from a store's answer what is not for readers: where the node showed credentials, a cookie is its session.
  void keep_session(http::header_table& fields) const;

  gate& door() const noexcept { return *gate_; }
  const origin_limits& limits() const noexcept { return limits_; }

private:
  /// How long to wait before the next attempt; nothing when there is to be none.
  std::optional<std::chrono::milliseconds> pause_before(const error& failure, unsigned attempt, unsigned attempts,
                                                        net::deadline until) const;

  std::shared_ptr<gate> gate_;
  origin_limits limits_;
  double egress_usd_per_gb_;
  std::string node_name_;
  bool carries_tokens_;
  bool anonymous_; ///< nothing of the operator's is shown to the store
};

/// Why a write without a key is refused: it would make, change or remove the bucket.
error no_key_to_write(const std::string& source);

/// Via and CDN-Loop of this node, appended to what came with the request (RFC 9110 §7.6.3, RFC 8586).
void announce_node(http::header_table& fields, std::string_view node_name);

/// `until`, or `span` from now where it was not set.
net::deadline deadline_or(net::deadline until, std::chrono::milliseconds span);

/// A random span up to min(cap, base * 2^attempt): full jitter, so that retries of many do not march in step.
std::chrono::milliseconds backoff(unsigned attempt, const origin_limits& limits);

template <class T>
net::task<result<T>> http_source::with_retries(std::shared_ptr<const http_source> self,
                                               std::function<net::task<result<T>>()> once, unsigned attempts,
                                               net::deadline until) {
  for (unsigned attempt = 0;; ++attempt) {
    auto answer = co_await once();
    if (answer) co_return answer;
    const auto pause = self->pause_before(answer.error(), attempt, attempts, until);
    if (!pause) {
      self->door().count_error(answer.error());
      co_return answer;
    }
    self->door().count_retry();
    co_await net::sleep_for(*pause);
  }
}

} // namespace forebay::origin
