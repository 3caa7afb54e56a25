#include "origin/web/visitor.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "origin/token_service.h"
#include "origin/web/authorization.h"

namespace forebay::origin::web {
namespace {

std::string bare_host(const std::string& host_and_port) { return host_and_port.substr(0, host_and_port.find(':')); }

std::string basic(const netrc_entry& entry) { return "Basic " + base64_encode(entry.login + ":" + entry.password); }

} // namespace

result<std::shared_ptr<visitor>> visitor::make(const http::url_parts& base, const options& wanted,
                                               const source_settings& settings) {
  auto made = std::make_shared<visitor>(base.authority(), wanted.login);
  made->login_pause_ = settings.limits.login_pause;
  if (settings.carries_tokens) {
    made->carries_tokens_ = true;
    made->scope_ = readers_scope;
    if (wanted.credentials.empty()) return made;
    // A certificate says which node asks, and nothing of who reads.
    auto shown = find_authorization(wanted.credentials, settings);
    if (!shown) return fail(std::move(shown.error()));
    made->certificate_ = std::move(shown->certificate);
    return made;
  }
  if (wanted.only_login()) return fail(error_kind::invalid_input, "web origin", std::string(login_needs));
  if (!wanted.netrc) {
    auto shown = find_authorization(wanted.credentials, settings);
    if (!shown) return fail(std::move(shown.error()));
    made->authorization_ = std::move(shown->field);
    made->certificate_ = std::move(shown->certificate);
    made->scope_ = std::move(shown->scope);
    return made;
  }
  auto entries = load_netrc();
  if (!entries) return fail(std::move(entries.error()));
  std::string users;
  std::vector<std::string> machines = wanted.login;
  machines.push_back(base.host);
  for (const std::string& each : machines) {
    const auto found = entries->find(bare_host(each));
    if (found == entries->end()) continue;
    users += fmt::format("{} {}\n", found->first, found->second.login);
    made->netrc_.insert(*found);
  }
  if (users.empty()) {
    return fail(error_kind::invalid_input, "netrc",
                fmt::format("it names none of these machines: {}", fmt::join(machines, ", ")));
  }
  made->scope_ = "netrc:" + fingerprint(users);
  return made;
}

bool visitor::is_home(const http::url_parts& url) const { return url.authority() == home_; }

bool visitor::is_login(const http::url_parts& url) const {
  const bool usual = url.port == (url.scheme == "https" ? 443 : 80);
  const std::string with_port = fmt::format("{}:{}", url.host, url.port);
  return !is_home(url) && std::any_of(login_.begin(), login_.end(), [&](const std::string& each) {
    return each == with_port || (usual && each == url.host);
  });
}

std::string visitor::authorization_for(const http::url_parts& to, const reader_token* token) const {
  const bool home = is_home(to), login = is_login(to);
  if (carries_tokens_) return home && token != nullptr ? "Bearer " + token->secret() : std::string();
  if (!home && !login) return {};
  if (const auto mine = netrc_.find(to.host); mine != netrc_.end()) return basic(mine->second);
  // A bearer token is the data host's to take; a password is typed where one signs in.
  const bool is_token = authorization_.starts_with("Bearer ");
  return login || is_token || !signs_in() ? authorization_ : std::string();
}

void visitor::dress(http::client_request& request, const http::url_parts& to, const reader_token* token) const {
  if (is_home(to) && to.scheme == "https") request.certificate = certificate_;
  // A reader's own word goes to an origin that the node itself has none for, and never to other hosts.
  const bool node_speaks = carries_tokens_ || !authorization_.empty() || !netrc_.empty() || signs_in();
  if (node_speaks || !is_home(to)) request.fields.remove("Authorization");
  if (carries_tokens_ || signs_in() || !is_home(to)) request.fields.remove("Cookie");
  if (const std::string field = authorization_for(to, token); !field.empty())
    request.fields.add("Authorization", field);
  const bool login = is_login(to);
  if (keeps_cookies() && (login || is_home(to))) {
    const std::string held = cookies_->cookies_for(to, system_clock().wall());
    if (!held.empty()) request.fields.add("Cookie", held);
  }
  if (!login) return;
  for (const char* of_object : {"Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}) {
    request.fields.remove(of_object);
  }
}

void visitor::learn(const http::url_parts& from, const http::header_table& fields) const {
  if (keeps_cookies() && (is_login(from) || is_home(from))) cookies_->learn(from, fields, system_clock().wall());
}

void visitor::login_failed() const {
  *failed_until_ = (system_clock().steady() + login_pause_).time_since_epoch().count();
}

bool visitor::failed_just_now() const {
  return failed_until_->load() > system_clock().steady().time_since_epoch().count();
}

} // namespace forebay::origin::web
