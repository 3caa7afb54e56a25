#include "front/reader_right.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"
#include "front/answer.h"
#include "front/target.h"
#include "http/cache_control.h"
#include "space/access.h"

namespace forebay::front {
namespace {

/// RFC 6750 §2.1, b64token.
bool is_token(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

} // namespace

result<origin::shown_token> read_token(const http::header_table& fields) {
  const auto shown = fields.joined("authorization");
  if (!shown) return origin::shown_token();
  const std::string_view text = trim(*shown);
  const std::size_t space = text.find(' ');
  if (!iequals(text.substr(0, space), "Bearer"))
    return fail(error_kind::unauthorised, "namespace", "its origin decides who may read: show it a bearer token");
  const std::string_view token = space == std::string_view::npos ? std::string_view() : trim(text.substr(space));
  if (!is_token(token)) return fail(error_kind::invalid_input, "request", "what is shown as a bearer token is none");
  return std::make_shared<const origin::reader_token>(std::string(token));
}

net::task<result<void>> admit_reader(http::request& asked, space::placement* where, std::string key,
                                     space::access_action action) {
  const auto access = where->space->access;
  if (access == nullptr) co_return result<void>{};
  // It would become a part of the object's name: of keys, records on disk and logs of others.
  if (holds_secret(where->query)) {
    co_return fail(error_kind::invalid_input, "request",
                   "a token or signature in the query is not passed on: show it as Authorization: Bearer");
  }
  auto token = read_token(asked.head.fields);
  if (!token) co_return fail(std::move(token.error()));
  where->token = std::move(*token);
  space::verdict said = co_await access->decide(std::move(key), where->query, where->token, action);
  if (!said.outcome) exchange_notes::of(asked)->challenge = std::move(said.challenge);
  co_return std::move(said.outcome);
}

std::string as_private(std::string_view control) {
  const auto said = http::parse_cache_control(control);
  std::string made = "private";
  if (said.no_store) made += ", no-store";
  if (said.no_cache || !said.no_cache_fields.empty()) made += ", no-cache";
  if (said.max_age) made += fmt::format(", max-age={}", said.max_age->count());
  if (said.must_revalidate) made += ", must-revalidate";
  if (said.no_transform) made += ", no-transform";
  if (said.immutable) made += ", immutable";
  return made;
}

void mark_personal(http::response& answer, const space::name_space& space, bool token_shown) {
  if (space.access == nullptr) return;
  unshare(answer);
  auto& fields = answer.head.fields;
  const auto vary = fields.joined("vary");
  const std::string varies = vary ? to_lower(*vary) : std::string();
  if (varies.find("authorization") == std::string::npos && varies.find('*') == std::string::npos)
    fields.set("Vary", vary ? *vary + ", Authorization" : "Authorization");
  // Who shows no token gets what the origin gives to everybody, and its own word on it.
  if (!token_shown) return;
  fields.set("Cache-Control", as_private(fields.joined("cache-control").value_or("")));
  for (const std::string_view for_caches : {"cdn-cache-control", "surrogate-control"}) fields.remove(for_caches);
}

} // namespace forebay::front
