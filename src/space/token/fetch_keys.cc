// Where issuers publish their keys: a key set's URL, or the one that a discovery document names.
#include <algorithm>
#include <fmt/format.h>

#include "http/client.h"
#include "http/url.h"
#include "origin/gate.h"
#include "space/token/issuer_keys.h"
#include "space/token/strict_json.h"

namespace forebay::space {
namespace {

net::task<result<std::string>> get_text(std::string url, bool operator_named, std::size_t bytes_max,
                                        net::deadline until) {
  http::client* const mine = http::client::try_current();
  if (mine == nullptr) co_return fail(error_kind::cancelled, "issuer", "this node is ending");
  http::client_request asked;
  asked.url = url;
  asked.fields.add("Accept", "application/jwk-set+json, application/json");
  asked.policy_applies = !operator_named;
  auto answer = co_await mine->send(std::move(asked), until);
  if (!answer) co_return fail(answer.error());
  auto text = co_await origin::read_whole(answer->body.get(), bytes_max, url, until);
  if (!text) co_return fail(text.error());
  if (answer->head.status != 200)
    co_return fail(error_kind::broken, url, fmt::format("{} answered {}", url, answer->head.status));
  co_return std::move(*text);
}

std::string discovery_of(std::string issuer) {
  while (issuer.ends_with('/')) issuer.pop_back();
  return issuer + "/.well-known/openid-configuration";
}

/// `jwks_uri` of a discovery document that speaks for this issuer.
result<std::string> read_discovery(std::string_view text, const std::string& issuer) {
  const auto document = parse_strict_json(text);
  const auto said = document.is_object() ? document.find("issuer") : document.end();
  const auto uri = document.is_object() ? document.find("jwks_uri") : document.end();
  const bool whole = document.is_object() && said != document.end() && uri != document.end() && uri->is_string();
  if (!whole) return fail(error_kind::broken, issuer, "its discovery document names no issuer and jwks_uri");
  if (*said != issuer) return fail(error_kind::broken, issuer, "its discovery document is of another issuer");
  auto url = uri->get<std::string>();
  const auto parts = http::parse_url(url), own = http::parse_url(issuer);
  // No step down from TLS: who stands between could put keys there.
  if (!parts || !own || parts->credentials || (parts->scheme != "https" && parts->scheme != own->scheme))
    return fail(error_kind::broken, issuer, "the jwks_uri of its discovery document is no https URL");
  return url;
}

net::task<result<std::string>> fetch_keys(keys_address where, net::deadline until) {
  if (!where.url.empty()) {
    auto text = co_await get_text(where.url, true, where.bytes_max, until);
    co_return text;
  }
  const std::string discovery = discovery_of(where.issuer);
  auto document = co_await get_text(discovery, true, where.bytes_max, until);
  if (!document) co_return document;
  auto url = read_discovery(*document, where.issuer);
  if (!url) co_return fail(url.error());
  const auto named = http::parse_url(*url), own = http::parse_url(where.issuer);
  const bool same_host = named && own && named->authority() == own->authority();
  auto text = co_await get_text(std::move(*url), same_host, where.bytes_max, until);
  co_return text;
}

} // namespace

issuer_keys::fetch fetch_from(keys_address where) {
  return [where](net::deadline until) { return fetch_keys(where, until); };
}

} // namespace forebay::space
