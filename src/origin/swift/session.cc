#include "origin/swift/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "origin/answer.h"
#include "origin/gate.h"
#include "origin/iso_time.h"
#include "origin/json_text.h"
#include "origin/token_service.h"

namespace forebay::origin::swift {
namespace {

using nlohmann::json;

/// A catalogue of many services is long; a token's answer is never longer.
constexpr std::size_t answer_bytes = 1024 * 1024;
/// A token without a word about its end is taken for good this long.
constexpr std::chrono::hours usual_life{1};

const credential_entry* find_entry(const location& where, const source_settings& settings) {
  const auto found = std::find_if(settings.credentials.begin(), settings.credentials.end(),
                                  [&](const credential_entry& each) { return each.name == where.credentials; });
  return found == settings.credentials.end() ? nullptr : &*found;
}

std::string service_name(const location& where) { return "the identity service " + where.auth_url; }

struct told {
  http::header_table fields;
  std::string body;
};

/// One exchange with the identity service. Its words are not passed on: they may hold what was shown.
net::task<result<told>> ask(std::string name, http::client_request asked, net::deadline until) {
  http::client* const mine = http::client::try_current();
  if (mine == nullptr) co_return fail(error_kind::cancelled, name, "this node is ending");
  asked.policy_applies = false; // the operator named it
  auto answer = co_await mine->send(std::move(asked), until);
  if (!answer) {
    error failure = std::move(answer.error());
    failure.source = name;
    co_return fail(std::move(failure));
  }
  auto text = co_await read_whole(answer->body.get(), answer_bytes, name, until);
  if (!text) co_return fail(std::move(text.error()));
  const unsigned status = answer->head.status;
  if (status < 200 || status >= 300) {
    error failure = classify_status(status, answer->head.fields, {}, name, system_clock().wall());
    if (!failure.retryable) failure.kind = error_kind::unauthorised;
    co_return fail(std::move(failure));
  }
  co_return told{std::move(answer->head.fields), std::move(*text)};
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

net::task<result<issued<session>>> sign_in_v1(std::shared_ptr<const location> where,
                                              std::shared_ptr<const credential_entry> shown, net::deadline until) {
  http::client_request request;
  request.url = where->auth_url;
  request.fields.add("X-Auth-User", shown->username);
  request.fields.add("X-Auth-Key", shown->password);
  std::string name = service_name(*where);
  auto answer = co_await ask(std::move(name), std::move(request), until);
  if (!answer) co_return fail(std::move(answer.error()));
  const auto token = answer->fields.get("X-Auth-Token");
  const auto storage = answer->fields.get("X-Storage-Url");
  if (!token || token->empty() || !storage) {
    co_return fail(error_kind::broken, service_name(*where), "its answer has no X-Auth-Token and X-Storage-Url");
  }
  issued<session> made;
  made.value = {std::string(*token), without_slash(std::string(*storage))};
  const auto seconds = parse_u64(answer->fields.get("X-Auth-Token-Expires").value_or(""));
  const std::chrono::seconds life(std::min<std::uint64_t>(seconds.value_or(0), 366 * 86'400));
  made.expires = system_clock().wall() + (life.count() > 0 ? life : std::chrono::seconds(usual_life));
  co_return made;
}

net::task<result<issued<session>>> sign_in_v3(std::shared_ptr<const location> where,
                                              std::shared_ptr<const credential_entry> shown, net::deadline until) {
  http::client_request request;
  request.method = "POST";
  request.url = where->auth_url + "/auth/tokens";
  request.fields.add("Content-Type", "application/json");
  request.fields.add("Accept", "application/json");
  request.body = keystone_request(*where, *shown);
  std::string name = service_name(*where);
  auto answer = co_await ask(std::move(name), std::move(request), until);
  if (!answer) co_return fail(std::move(answer.error()));
  auto made = parse_keystone(answer->body, std::string(answer->fields.get("X-Subject-Token").value_or("")), *where);
  co_return made;
}

renewed<session>::fetch fetch_of(const location& where, const credential_entry& shown) {
  auto place = std::make_shared<const location>(where);
  auto entry = std::make_shared<const credential_entry>(shown);
  if (where.how == sign_in::temp_auth) {
    return [place, entry](net::deadline until) { return sign_in_v1(place, entry, until); };
  }
  return [place, entry](net::deadline until) { return sign_in_v3(place, entry, until); };
}

std::string text_at(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The object store of a catalogue; empty where there is none for the region and interface.
std::string object_store(const json& token, const location& where) {
  const auto catalogue = token.find("catalog");
  if (catalogue == token.end() || !catalogue->is_array()) return {};
  for (const json& service : *catalogue) {
    if (text_at(service, "type") != "object-store" || !service.contains("endpoints")) continue;
    for (const json& endpoint : service["endpoints"]) {
      const std::string region = text_at(endpoint, "region_id");
      const std::string either = region.empty() ? text_at(endpoint, "region") : region;
      const bool here = where.region.empty() || where.region == either;
      if (here && text_at(endpoint, "interface") == where.interface) return without_slash(text_at(endpoint, "url"));
    }
  }
  return {};
}

} // namespace

std::string keystone_request(const location& where, const credential_entry& shown) {
  json identity;
  json auth;
  if (where.how == sign_in::application) {
    identity = {{"methods", {"application_credential"}},
                {"application_credential", {{"id", shown.username}, {"secret", shown.password}}}};
    auth = {{"auth", {{"identity", identity}}}}; // its project is the credential's own
  } else {
    const json user = {
        {"name", shown.username}, {"password", shown.password}, {"domain", {{"name", where.user_domain}}}};
    identity = {{"methods", {"password"}}, {"password", {{"user", user}}}};
    const json project = {{"name", where.project}, {"domain", {{"name", where.project_domain}}}};
    auth = {{"auth", {{"identity", identity}, {"scope", {{"project", project}}}}}};
  }
  return auth.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<issued<session>> parse_keystone(std::string_view text, std::string token, const location& where) {
  const json document = parse_json(text);
  const auto inner = document.is_object() ? document.find("token") : document.end();
  if (token.empty() || inner == document.end() || !inner->is_object()) {
    return fail(error_kind::broken, service_name(where), "its answer holds no token");
  }
  issued<session> made;
  made.value.token = std::move(token);
  made.value.storage_url = object_store(*inner, where);
  if (made.value.storage_url.empty() && where.storage_url.empty()) {
    return fail(error_kind::broken, service_name(where),
                fmt::format("its catalogue has no object-store with a{} {} endpoint",
                            where.region.empty() ? "" : " region " + where.region + " and", where.interface));
  }
  made.expires = parse_iso_time(text_at(*inner, "expires_at"));
  if (!made.expires) made.expires = system_clock().wall() + usual_life;
  return made;
}

result<std::shared_ptr<swift_authority>> swift_authority::find(const location& where, const source_settings& settings) {
  if (where.how == sign_in::none) return nullptr;
  const credential_entry* shown = find_entry(where, settings);
  if (shown == nullptr || shown->username.empty() || shown->password.empty()) {
    return fail(error_kind::invalid_input, "credentials " + where.credentials,
                "no [[credentials]] entry of this name has the username and password that Swift needs");
  }
  // The secret is part of the name, hashed: after a reload with another one, the old session is not shown.
  const std::string name =
      fmt::format("swift {} {} {} {} {} {}", scope_of(where, settings), where.region, where.interface,
                  where.storage_url, fingerprint("password:" + shown->password), where.auth_url);
  return find_shared<swift_authority>(name, [&] {
    return std::make_shared<swift_authority>(
        renewed<session>("credentials of " + where.auth_url, fetch_of(where, *shown)), where.storage_url);
  });
}

net::task<result<authority::ticket>> swift_authority::authorise(http::client_request* request, net::deadline until) {
  auto shown = co_await token_.get(until);
  if (!shown) co_return fail(std::move(shown.error()));
  request->fields.set("X-Auth-Token", (*shown)->token);
  request->url.insert(0, storage_url_.empty() ? (*shown)->storage_url : storage_url_);
  co_return ticket(*shown);
}

bool swift_authority::refused(const ticket& shown) {
  return token_.refused(std::static_pointer_cast<const session>(shown));
}

std::string scope_of(const location& where, const source_settings& settings) {
  if (where.how == sign_in::none) return "anonymous";
  const credential_entry* shown = find_entry(where, settings);
  const std::string user = shown == nullptr ? std::string() : shown->username;
  return "swift:" + fingerprint(fmt::format("{}\n{}\n{}\n{}\n{}", static_cast<int>(where.how), user, where.user_domain,
                                            where.project, where.project_domain));
}

} // namespace forebay::origin::swift
