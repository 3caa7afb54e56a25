// What a web origin is shown on the way to an object, and to whom.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "http/client.h"
#include "http/url.h"
#include "origin/factory.h"
#include "origin/limiter.h"
#include "origin/reader_token.h"
#include "origin/web/cookie_jar.h"
#include "origin/web/netrc.h"
#include "origin/web/options.h"

namespace forebay::origin::web {

/// Dresses the requests of one origin. Credentials go to the origin's own host and to the login hosts that its URL
/// names, and to nobody else: a signed URL is followed with none. A user and password of `credentials` are shown to the
/// login hosts alone, where there are some; netrc's are shown to the machine that they belong to. Thread-safe.
class visitor {
public:
  /// invalid_input where the credentials are unknown, or hold nothing for the web.
  static result<std::shared_ptr<visitor>> make(const http::url_parts& base, const options& wanted,
                                               const source_settings& settings);

  /// Replaces Authorization and Cookie by what `to` may see; towards a login host range and conditions go, too, as they
  /// are of the object.
  /// `token`: what a reader brought; for an origin that carries the tokens of readers, and its own host alone.
  void dress(http::client_request& request, const http::url_parts& to, const reader_token* token) const;
  void learn(const http::url_parts& from, const http::header_table& fields) const;
  bool is_home(const http::url_parts& url) const;
  bool is_login(const http::url_parts& url) const; ///< and not the origin's own host
  /// One read signs in at a time; those that waited for it go on with its session, which `sessions` counts.
  net::task<permit> turn(net::deadline until) const { return turns_->acquire(until); }
  std::uint64_t sessions() const noexcept { return sessions_->load(); }
  void signed_in() const { ++*sessions_; }
  /// A login host did not let us in: for a while nobody tries again, as hosts lock accounts that fail too often.
  void login_failed() const;
  bool failed_just_now() const;
  bool signs_in() const noexcept { return !login_.empty(); }
  /// Each reader shows its own token: nobody signs in for them, and no cookie of one is kept for another.
  bool carries_tokens() const noexcept { return carries_tokens_; }
  /// For identities: "anonymous" or a fingerprint without the secret.
  const std::string& scope() const noexcept { return scope_; }

  visitor(std::string home, std::vector<std::string> login) : home_(std::move(home)), login_(std::move(login)) {}

private:
  std::string authorization_for(const http::url_parts& to, const reader_token* token) const;
  bool keeps_cookies() const noexcept { return signs_in() && !carries_tokens_; }

  std::string home_; ///< "scheme://host:port"
  std::chrono::seconds login_pause_{30};
  std::vector<std::string> login_;                              ///< "host" or "host:port"
  std::string authorization_;                                   ///< of `credentials`
  std::shared_ptr<const http::client_certificate> certificate_; ///< for the origin's own host
  netrc_entries netrc_;
  bool carries_tokens_ = false;
  std::string scope_ = "anonymous";
  std::shared_ptr<limiter> turns_ = std::make_shared<limiter>(1);
  std::shared_ptr<std::atomic<std::uint64_t>> sessions_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::shared_ptr<std::atomic<std::int64_t>> failed_until_ = std::make_shared<std::atomic<std::int64_t>>(0);
  std::shared_ptr<cookie_jar> cookies_ = std::make_shared<cookie_jar>();
};

} // namespace forebay::origin::web
