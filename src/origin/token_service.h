// Asking the services that issue credentials: metadata servers of clouds, OAuth 2 token endpoints, STS.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/client.h"
#include "net/task.h"
#include "net/wait.h"
#include "origin/renewed.h"

namespace forebay::origin {

/// The request of each attempt; its body and fields may hold secrets, its URL must not.
using make_request = std::function<http::client_request()>;

/// The text of a 200 from the service `name` (a sentence's subject, no secret: "the instance metadata service"). Tries
/// three times where the service is busy or unreachable. Its host was named by the operator (or is link-local by the
/// cloud's rule), so no address policy applies. unauthorised, with the service's words, when it refuses.
net::task<result<std::string>> ask_service(std::string name, make_request make, net::deadline until);

/// An OAuth 2 answer (RFC 6749 §5.1): access_token with expires_in, or expires_on as Azure has it.
result<issued<std::string>> parse_token_answer(std::string_view text, const std::string& name, wall_time now);

/// application/x-www-form-urlencoded.
std::string form_of(const std::vector<std::pair<std::string_view, std::string>>& pairs);
http::client_request post_form(std::string url, std::string form);

/// A small file that another program rewrites (a projected token), read off the loop and trimmed.
net::task<result<std::string>> read_token_file(std::string name, std::string path, net::deadline until);

/// An environment variable's value, or `otherwise` where it is unset or empty.
std::string environment(const char* name, std::string_view otherwise = "");

/// Untyped part of find_shared.
std::shared_ptr<void> find_shared_object(const std::string& name, const std::function<std::shared_ptr<void>()>& make);
/// The one object of that name in the process while somebody holds it: a credential is fetched once for the node,
/// however many sources show it, also over reloads. `name` tells kind, service and identity.
template <class T>
std::shared_ptr<T> find_shared(const std::string& name, const std::function<std::shared_ptr<T>()>& make) {
  return std::static_pointer_cast<T>(find_shared_object(name, make));
}

/// First 64 bits of SHA-256 in hex: stands in scopes for what would be long there.
std::string fingerprint(std::string_view public_part);

} // namespace forebay::origin
