#include "app/node_client.h"

#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/exit_codes.h"
#include "base/text.h"
#include "origin/checked_body.h"
#include "origin/json_text.h"

namespace forebay::app {
namespace {

/// A node waits for its origins, over all attempts, before it answers; we wait longer than its default.
constexpr std::chrono::milliseconds answer_timeout{120'000};
constexpr std::size_t problem_bytes_max = 64 * 1024;

error_kind kind_of_status(unsigned status) noexcept {
  switch (status) {
  case 401: return error_kind::unauthorised;
  case 403: return error_kind::forbidden;
  case 404:
  case 410: return error_kind::not_found;
  case 412: return error_kind::changed;
  case 416: return error_kind::range_unsatisfiable;
  case 405:
  case 501: return error_kind::unsupported;
  case 502: return error_kind::unreachable;
  case 503: return error_kind::exhausted;
  case 504: return error_kind::timeout;
  default: return status < 500 ? error_kind::invalid_input : error_kind::broken;
  }
}

net::task<void> run_into(std::function<net::task<int>()> command, int* code) {
  const int ended = co_await command();
  *code = ended;
}

net::task<void> install_client(unsigned connections) {
  auto settings = std::make_shared<http::client_settings>();
  settings->user_agent = "forebay/" FOREBAY_VERSION;
  settings->limits.connections_per_origin = connections;
  settings->limits.first_byte_timeout = answer_timeout;
  settings->limits.stall_timeout = answer_timeout;
  http::client::install(std::make_unique<http::client>(std::move(settings)));
  co_return;
}

net::task<void> remove_client() {
  http::client::install(nullptr);
  co_return;
}

} // namespace

net::task<result<http::client_response>> ask_node(std::string node_url, std::string method, std::string target,
                                                  http::header_table fields, std::string body) {
  http::client_request request;
  request.method = std::move(method);
  request.url = node_url + target;
  request.fields = std::move(fields);
  request.body = std::move(body);
  request.policy_applies = false; // a person names the node: loopback and private addresses are where it is
  auto answer = co_await http::client::current().send(std::move(request), net::deadline::after(answer_timeout));
  if (!answer && answer.error().source.empty()) answer.error().source = node_url;
  co_return answer;
}

bool take_token(const std::string& path, std::string* token) {
  if (path.empty()) return true;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  *token = trim(line);
  const bool plain = token->find_first_of(" \t\"") == std::string::npos && to_valid_utf8(*token) == *token;
  const bool good = plain && !token->empty();
  if (!good) complain(path + ": its first line is no bearer token");
  return good;
}

net::task<result<std::string>> read_text(std::unique_ptr<http::client_body> body, std::size_t most) {
  constexpr std::size_t step_bytes = 64 * 1024;
  std::string text;
  for (;;) {
    const std::size_t at = text.size();
    if (at > most)
      co_return fail(error_kind::exhausted, "node", fmt::format("its answer has more than {} bytes", most));
    text.resize(at + step_bytes);
    const std::span<std::byte> room(reinterpret_cast<std::byte*>(text.data()) + at, step_bytes);
    auto count = co_await body->read_some(room);
    if (!count) co_return fail(count.error());
    text.resize(at + *count);
    if (*count == 0) co_return text;
  }
}

net::task<error> failure_of(http::client_response answer) {
  const unsigned status = answer.head.status;
  error why{kind_of_status(status), "node", fmt::format("it answered {} {}", status, http::reason_phrase(status))};
  why.retryable = status >= 500 || status == 429;
  why.origin_status = static_cast<int>(status);
  auto text = co_await read_text(std::move(answer.body), problem_bytes_max);
  if (!text) co_return why;
  const auto document = origin::parse_json(*text);
  if (!document.is_object()) co_return why;
  if (const auto detail = document.find("detail"); detail != document.end() && detail->is_string())
    why.context = detail->get<std::string>();
  if (const auto origin = document.find("origin"); origin != document.end() && origin->is_string())
    why.source = origin->get<std::string>();
  if (const auto cause = document.find("cause"); cause != document.end() && *cause == to_string(error_kind::broken))
    why.kind = error_kind::broken;
  // The same bytes would come again.
  if (origin::is_checksum_mismatch(why)) why.retryable = false;
  co_return why;
}

int exit_code_of(const error& why) noexcept {
  switch (why.kind) {
  case error_kind::not_found:
  case error_kind::gone: return exit_not_found;
  case error_kind::unreachable:
  case error_kind::timeout:
  case error_kind::exhausted:
  case error_kind::throttled: return exit_unreachable;
  default: return exit_failed;
  }
}

int run_command(std::function<net::task<int>()> command, unsigned connections) {
  std::signal(SIGPIPE, SIG_IGN);
  int code = exit_failed;
  net::loop_group loops(1);
  loops.start();
  net::run_blocking(loops.at(0), install_client(connections));
  net::run_blocking(loops.at(0), run_into(std::move(command), &code));
  net::run_blocking(loops.at(0), remove_client());
  loops.stop();
  return code;
}

void complain(std::string_view message) { std::fputs(fmt::format("forebay: {}\n", message).c_str(), stderr); }

} // namespace forebay::app
