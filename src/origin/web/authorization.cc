#include "origin/web/authorization.h"

#include <span>

#include "base/base64.h"
#include "base/hash.h"
#include "http/client_certificate.h"

namespace forebay::origin::web {
namespace {

std::string fingerprint(const std::string& public_part) {
  const key128 print = sha256_128(public_part);
  return "web:" + hex(std::span(print.bytes).first(8));
}

result<std::shared_ptr<const http::client_certificate>> certificate_of(const credential_entry& entry) {
  if (entry.certificate.cert.empty()) return std::shared_ptr<const http::client_certificate>();
  auto found = http::client_certificate::find(entry.certificate);
  if (!found) {
    return fail(error_kind::invalid_input, "credentials " + entry.name,
                found.error().source + ": " + found.error().context);
  }
  return std::shared_ptr<const http::client_certificate>(std::move(*found));
}

} // namespace

result<authorization> find_authorization(const std::string& name, const source_settings& settings) {
  if (name.empty()) return authorization{"", "anonymous"};
  for (const credential_entry& each : settings.credentials) {
    if (each.name != name) continue;
    auto shown = certificate_of(each);
    if (!shown) return fail(std::move(shown.error()));
    // Neither a token nor a certificate that is renewed has a lasting public part; the entry's name stands for it.
    if (!each.bearer_token.empty())
      return authorization{"Bearer " + each.bearer_token, fingerprint("bearer:" + name), std::move(*shown)};
    if (!each.username.empty()) {
      return authorization{"Basic " + base64_encode(each.username + ":" + each.password),
                           fingerprint("basic:" + each.username), std::move(*shown)};
    }
    if (*shown != nullptr) return authorization{"", fingerprint("certificate:" + name), std::move(*shown)};
    return fail(error_kind::invalid_input, "credentials " + name,
                "they have no bearer_token, no username and no client_certificate, one of which a web origin needs");
  }
  return fail(error_kind::invalid_input, "credentials " + name, "no [[credentials]] entry has this name");
}

} // namespace forebay::origin::web
