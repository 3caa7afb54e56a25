#include "origin/web/authorization.h"

#include <span>

#include "base/base64.h"
#include "base/hash.h"

namespace forebay::origin::web {
namespace {

std::string fingerprint(const std::string& public_part) {
  const key128 print = sha256_128(public_part);
  return "web:" + hex(std::span(print.bytes).first(8));
}

} // namespace

result<authorization> find_authorization(const std::string& name, const source_settings& settings) {
  if (name.empty()) return authorization{"", "anonymous"};
  for (const credential_entry& each : settings.credentials) {
    if (each.name != name) continue;
    // A token has no public part; its entry's name stands for it.
    if (!each.bearer_token.empty()) return authorization{"Bearer " + each.bearer_token, fingerprint("bearer:" + name)};
    if (!each.username.empty()) {
      return authorization{"Basic " + base64_encode(each.username + ":" + each.password),
                           fingerprint("basic:" + each.username)};
    }
    return fail(error_kind::invalid_input, "credentials " + name,
                "they have no bearer_token and no username, which a web origin needs");
  }
  return fail(error_kind::invalid_input, "credentials " + name, "no [[credentials]] entry has this name");
}

} // namespace forebay::origin::web
