#include "front/admin/admin_front.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "front/admin/status_page.h"
#include "front/problem.h"

namespace forebay::front {
namespace {

bool is_loopback(const net::ip_address& address) {
  return *net::ip_address::parse("::1") == address || (address.is_v4() && address.bytes()[0] == 127);
}

bool is_probe(std::string_view path) noexcept { return path == "/healthz" || path == "/readyz"; }

net::task<result<std::string>> read_body(http::request& asked) {
  std::string text;
  while (asked.body != nullptr) {
    result<net::slice> piece = co_await asked.body->next(admin_body_bytes_max);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    text.append(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size());
    if (text.size() > admin_body_bytes_max) {
      co_return fail(error_kind::invalid_input, "admin", fmt::format("a body may have {} bytes", admin_body_bytes_max));
    }
  }
  co_return text;
}

http::response make_probe(bool good, std::string_view words, bool head_only) {
  auto answer = make_text(good ? 200 : 503, "text/plain; charset=utf-8", std::string(words) + "\n", head_only);
  answer.head.fields.add("Cache-Control", "no-store");
  return answer;
}

} // namespace

admin_front::admin_front(const node_state& node, const web_front& data, std::shared_ptr<const admin_settings> settings,
                         metrics::registry& registry)
    : node_(node), data_(data), settings_(std::move(settings)), registry_(registry) {}

std::optional<std::string> admin_front::who_asks(const http::request& asked) const {
  const auto settings = settings_.get();
  const net::tls_info* const tls = asked.connection != nullptr ? asked.connection->tls() : nullptr;
  const bool current = tls != nullptr && system_clock().wall() < tls->client_until; // sessions are resumed
  if (current) {
    for (const std::string& name : tls->client_names) {
      const bool may = std::any_of(settings->client_names.begin(), settings->client_names.end(),
                                   [&](const std::string& pattern) { return glob_match(pattern, name); });
      if (may) return "certificate " + name;
    }
  }
  if (settings->token.empty()) {
    // A listener that asks nobody for a token is on loopback, or lets in by certificate alone: then over loopback, too,
    // where a proxy may stand for anybody.
    const bool by_certificate =
        !settings->client_names.empty() && (tls != nullptr || !is_loopback(asked.local.address));
    if (by_certificate) return std::nullopt;
    return current && !tls->client_names.empty() ? "certificate " + tls->client_names.front() : "loopback";
  }
  const auto field = asked.head.fields.get("authorization");
  constexpr std::string_view scheme = "bearer ";
  if (!field || field->size() <= scheme.size() || !iequals(field->substr(0, scheme.size()), scheme))
    return std::nullopt;
  if (!equal_in_constant_time(trim(field->substr(scheme.size())), settings->token)) return std::nullopt;
  return "the token";
}

net::task<http::response> admin_front::handle(http::request& asked) {
  const auto wanted = parse_target(asked.head.target);
  if (!wanted) co_return make_problem(wanted.error(), {});
  const std::string& path = wanted->path;
  const std::string& method = asked.head.method;
  const bool head_only = method == "HEAD";
  const problem_words words{{}, path, head_only};
  if (!is_admin_path(path)) {
    const error why{
        error_kind::not_found, "admin",
        "there are /metrics, /healthz, /readyz, /status and /purge here; data is served by another listener"};
    co_return make_problem(why, words);
  }
  auto who = is_probe(path) ? std::optional<std::string>("anybody") : who_asks(asked);
  if (!who) {
    log::warn("admin", "{} {} from {} refused: no or a wrong token or certificate", method, path,
              asked.peer.to_string());
    const error why{error_kind::unauthorised, "admin",
                    "this listener asks for \"Authorization: Bearer <admin.token>\", or a client certificate of "
                    "admin.client_names"};
    co_return make_problem(why, words);
  }
  if (path == "/purge") {
    if (method != "POST") co_return make_not_allowed(method, "POST", words);
    http::response answer = co_await purge(asked, std::move(*who));
    co_return answer;
  }
  if (method != "GET" && !head_only) co_return make_not_allowed(method, "GET, HEAD", words);
  if (path == "/healthz") co_return make_probe(true, "alive", head_only);
  if (path == "/readyz") {
    if (node_.draining.load()) co_return make_probe(false, "draining", head_only);
    const bool ready = node_.listening.load();
    co_return make_probe(ready, ready ? "ready" : "starting", head_only);
  }
  http::response answer;
  if (path == "/metrics") {
    answer = make_text(200, "text/plain; version=0.0.4; charset=utf-8", registry_.render(), head_only);
  } else {
    answer = make_text(200, "application/json", render_status(node_, *data_.settings(), registry_), head_only);
  }
  answer.head.fields.add("Cache-Control", "no-store");
  co_return answer;
}

net::task<http::response> admin_front::purge(http::request& asked, std::string who) {
  const problem_words words{{}, "/purge", false};
  // A page in a browser may post plain text to loopback without asking anybody; JSON it may not (Fetch: preflight).
  const auto type = asked.head.fields.get("content-type").value_or("");
  if (!iequals(trim(type.substr(0, type.find(';'))), "application/json")) {
    const error why{error_kind::invalid_input, "purge", "Content-Type must be application/json"};
    co_return make_problem(why, 415, words);
  }
  result<std::string> body = co_await read_body(asked);
  if (!body) co_return make_problem(body.error(), words);
  const auto wanted = parse_purge(*body);
  if (!wanted) co_return make_problem(wanted.error(), words);
  const auto purged = co_await purge(*wanted);
  if (!purged) {
    const bool unknown = purged.error().kind == error_kind::not_found;
    co_return make_problem(purged.error(), status_of(purged.error()),
                           {unknown ? std::string_view("unknown-namespace") : std::string_view(), "/purge", false});
  }
  const auto scope = to_string(wanted->what);
  log::info("admin", "purge of {} {} by {} at {}: {} object{}", scope, mask_target(wanted->value), who,
            asked.peer.to_string(), *purged, *purged == 1 ? "" : "s");
  nlohmann::ordered_json answer;
  answer["scope"] = scope;
  answer["target"] = to_valid_utf8(wanted->value);
  answer["purged"] = *purged;
  co_return make_text(200, "application/json", answer.dump() + "\n", false);
}

result<space::placement> resolve_purge_path(const space::space_map& spaces, std::string_view path) {
  const auto parts = parse_target(path);
  if (!parts) return fail(parts.error());
  return spaces.resolve(parts->path, parts->query);
}

net::task<result<std::size_t>> admin_front::purge(purge_request wanted) const {
  cache::content_cache& cache = *node_.cache;
  if (wanted.what == purge_request::scope::tag) {
    auto purged = co_await cache.purge_tag(wanted.value);
    co_return purged;
  }
  const auto settings = data_.settings();
  if (wanted.what == purge_request::scope::name_space) {
    const std::string path = wanted.value == "/" ? std::string() : wanted.value;
    for (const auto& space : settings->spaces->spaces()) {
      if (space->path != path && space->path + "/" != path) continue;
      auto purged = co_await cache.purge_prefix(space, "");
      co_return purged;
    }
    co_return fail(error_kind::not_found, "purge",
                   "no namespace has the path " + wanted.value + ". " + settings->spaces->describe());
  }
  const auto where = resolve_purge_path(*settings->spaces, wanted.value);
  if (!where) co_return fail(where.error());
  auto purged = wanted.what == purge_request::scope::object ? cache.purge_object(*where)
                                                            : cache.purge_prefix(where->space, where->key);
  auto outcome = co_await std::move(purged);
  co_return outcome;
}

http::response admin_front::refuse(const error& why, unsigned status) {
  auto answer = make_problem(why, status, {});
  answer.close = true;
  return answer;
}

} // namespace forebay::front
