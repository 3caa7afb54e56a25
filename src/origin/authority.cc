#include "origin/authority.h"

namespace forebay::origin {

net::task<result<authority::ticket>> bearer_authority::authorise(http::client_request* request, net::deadline until) {
  auto token = co_await token_.get(until);
  if (!token) co_return fail(std::move(token.error()));
  request->fields.set("Authorization", "Bearer " + **token);
  co_return ticket(std::move(*token));
}

bool bearer_authority::refused(const ticket& shown) {
  return token_.refused(std::static_pointer_cast<const std::string>(shown));
}

} // namespace forebay::origin
