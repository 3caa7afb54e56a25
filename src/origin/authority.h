// What shows a store who asks: the credentials that go onto a request.
#pragma once

#include <memory>
#include <string>

#include "http/client.h"
#include "net/task.h"
#include "net/wait.h"
#include "origin/reader_token.h"
#include "origin/renewed.h"

namespace forebay::origin {

/// Adds credentials to requests. Thread-safe; shared by the exchanges of a source.
class authority {
public:
  /// What was shown, for `refused`; null where nothing that expires was.
  using ticket = std::shared_ptr<const void>;

  virtual ~authority() = default;
  /// `request` is final but for its credentials.
  virtual net::task<result<ticket>> authorise(http::client_request* request, net::deadline until) = 0;
  /// The store answered 401. True when another attempt would show something newer.
  virtual bool refused(const ticket&) { return false; }
};

/// "Authorization: Bearer <token>" (RFC 6750) with a token that is renewed.
class bearer_authority final : public authority {
public:
  explicit bearer_authority(renewed<std::string> token) : token_(std::move(token)) {}
  net::task<result<ticket>> authorise(http::client_request* request, net::deadline until) override;
  bool refused(const ticket& shown) override;

private:
  renewed<std::string> token_;
};

/// "Authorization: Bearer <token>" with what one reader brought, for one request. Null where nothing was.
std::shared_ptr<authority> as_reader(const shown_token& token);

} // namespace forebay::origin
