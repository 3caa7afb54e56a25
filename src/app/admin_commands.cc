#include "app/admin_commands.h"

#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/exit_codes.h"
#include "app/node_client.h"
#include "app/progress.h"
#include "app/store_url.h"

namespace forebay::app {
namespace {

using json = nlohmann::json;

constexpr std::size_t answer_bytes_max = 16u << 20;

http::header_table fields_of(const admin_access& access) {
  http::header_table fields;
  if (!access.token.empty()) fields.add("Authorization", "Bearer " + access.token);
  return fields;
}

/// The body of a good answer.
net::task<result<std::string>> ask_admin(admin_access access, std::string method, std::string target,
                                         std::string body) {
  http::header_table fields = fields_of(access);
  if (!body.empty()) fields.add("Content-Type", "application/json");
  auto answer =
      co_await ask_node(access.admin_url, std::move(method), std::move(target), std::move(fields), std::move(body));
  if (!answer) co_return fail(answer.error());
  if (answer->head.status != 200) {
    error why = co_await failure_of(std::move(*answer));
    if (why.kind == error_kind::unauthorised) {
      why.context = access.token.empty() ? "it asks for a token: set FOREBAY_ADMIN_TOKEN"
                                         : "it refused the token of FOREBAY_ADMIN_TOKEN";
    }
    co_return fail(std::move(why));
  }
  auto text = co_await read_text(std::move(answer->body), answer_bytes_max);
  co_return text;
}

net::task<int> purge(admin_access access, std::string body) {
  auto answer = co_await ask_admin(std::move(access), "POST", "/purge", std::move(body));
  if (!answer) {
    complain(answer.error().message());
    co_return exit_code_of(answer.error());
  }
  const json document = json::parse(*answer, nullptr, false);
  const auto purged = document.is_object() ? document.value("purged", std::uint64_t{0}) : 0;
  std::fputs((counted(purged, "object") + " purged\n").c_str(), stdout);
  co_return exit_ok;
}

net::task<int> status(admin_access access, bool as_json) {
  auto answer = co_await ask_admin(std::move(access), "GET", "/status", "");
  if (!answer) {
    complain(answer.error().message());
    co_return exit_code_of(answer.error());
  }
  std::fputs((as_json ? *answer : render_status_text(*answer)).c_str(), stdout);
  co_return exit_ok;
}

/// The access with a well-formed URL, or nothing after a complaint.
bool normalise(admin_access& access) {
  const auto url = normalise_node_url(access.admin_url);
  if (!url) {
    complain(url.error().message());
    return false;
  }
  access.admin_url = *url;
  return true;
}

json at(const json& object, std::initializer_list<const char*> path) {
  const json* here = &object;
  for (const char* name : path) {
    if (!here->is_object() || !here->contains(name)) return {};
    here = &(*here)[name];
  }
  return *here;
}

std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "-" : value.dump();
}

std::string size_of(const json& value) {
  return value.is_number_unsigned() ? human_size(value.get<std::uint64_t>()) : "-";
}

std::string share_of(const json& value) {
  constexpr double percent = 100;
  return value.is_number() ? fmt::format("{:.1f} %", value.get<double>() * percent) : "-";
}

std::string joined(const json& list) {
  std::string text;
  for (const json& one : list) text += (text.empty() ? "" : ", ") + text_of(one);
  return text;
}

} // namespace

int run_purge(const admin_access& asked, const std::string& member, const std::string& value) {
  admin_access access = asked;
  if (!normalise(access)) return exit_usage;
  json body;
  body[member] = value;
  std::string text = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return run_command([access, text] { return purge(access, text); });
}

int run_status(const admin_access& asked, bool as_json) {
  admin_access access = asked;
  if (!normalise(access)) return exit_usage;
  return run_command([access, as_json] { return status(access, as_json); });
}

std::string render_status_text(const std::string& text) {
  const json status = json::parse(text, nullptr, false);
  if (!status.is_object()) return text;
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{:<12} {}\n", name, value);
  };
  line("node", fmt::format("{} (site {}), forebay {}", text_of(at(status, {"node"})), text_of(at(status, {"site"})),
                           text_of(at(status, {"version"}))));
  const bool ready = at(status, {"ready"}) == true, draining = at(status, {"draining"}) == true;
  line("state", draining ? "draining" : ready ? "ready" : "starting");
  const json uptime = at(status, {"uptime_seconds"});
  line("uptime", uptime.is_number_unsigned() ? human_span(uptime.get<std::uint64_t>()) : "-");
  for (const json& one : at(status, {"listeners"}))
    line("listens", fmt::format("{} for {}", text_of(at(one, {"address"})), joined(at(one, {"serve"}))));
  for (const json& one : at(status, {"namespaces"}))
    line("namespace", fmt::format("{} from {}", text_of(at(one, {"path"})), joined(at(one, {"origins"}))));
  line("memory", fmt::format("{} of {} held, {} pinned", size_of(at(status, {"tiers", "memory", "held_bytes"})),
                             size_of(at(status, {"tiers", "memory", "capacity_bytes"})),
                             size_of(at(status, {"tiers", "memory", "pinned_bytes"}))));
  line("cache", fmt::format("{} objects, {} fills, {} followers", text_of(at(status, {"cache", "objects"})),
                            text_of(at(status, {"cache", "fills"})), text_of(at(status, {"cache", "followers"}))));
  std::uint64_t answered = 0;
  for (const json& count : at(status, {"requests", "by_outcome"}))
    if (count.is_number_unsigned()) answered += count.get<std::uint64_t>();
  line("requests",
       fmt::format("{} answered, {} in flight; hits: {}", answered, text_of(at(status, {"requests", "in_flight"})),
                   share_of(at(status, {"requests", "hit_ratio"}))));
  line("bytes", fmt::format("{} from memory, {} from origins; hits: {}",
                            size_of(at(status, {"bytes", "served_by_tier", "memory"})),
                            size_of(at(status, {"bytes", "served_by_tier", "origin"})),
                            share_of(at(status, {"bytes", "hit_ratio"}))));
  const json origins = at(status, {"bytes", "from_origins"});
  for (const auto& [name, bytes] : origins.items()) line("origin", fmt::format("{} gave {}", name, size_of(bytes)));
  const json saved = at(status, {"saved_usd"});
  line("saved", saved.is_number() ? fmt::format("{:.2f} US dollars of egress", saved.get<double>()) : "-");
  return out;
}

} // namespace forebay::app
