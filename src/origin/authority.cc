#include "origin/authority.h"

namespace forebay::origin {
namespace {

class reader_authority final : public authority {
public:
  explicit reader_authority(shown_token token) : token_(std::move(token)) {}
  net::task<result<ticket>> authorise(http::client_request* request, net::deadline) override {
    request->fields.set("Authorization", "Bearer " + token_->secret());
    co_return ticket();
  }

private:
  const shown_token token_;
};

} // namespace

net::task<result<authority::ticket>> bearer_authority::authorise(http::client_request* request, net::deadline until) {
  auto token = co_await token_.get(until);
  if (!token) co_return fail(std::move(token.error()));
  request->fields.set("Authorization", "Bearer " + **token);
  co_return ticket(std::move(*token));
}

bool bearer_authority::refused(const ticket& shown) {
  return token_.refused(std::static_pointer_cast<const std::string>(shown));
}

std::shared_ptr<authority> as_reader(const shown_token& token) {
  return token == nullptr ? nullptr : std::make_shared<reader_authority>(token);
}

} // namespace forebay::origin
