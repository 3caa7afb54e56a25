#include "origin/token_service.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <span>
#include <sstream>
#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"
#include "net/offload.h"
#include "origin/answer.h"
#include "origin/error_body.h"
#include "origin/gate.h"
#include "origin/json_text.h"

namespace forebay::origin {
namespace {

constexpr std::size_t answer_bytes = 256 * 1024; ///< metadata servers answer a few KiB
constexpr unsigned attempts = 3;
constexpr std::chrono::milliseconds first_pause{200};
constexpr std::size_t token_file_bytes = 64 * 1024;

/// "invalid_grant: Token has been revoked." of an OAuth 2 error (RFC 6749 §5.2), the words of an XML one, or nothing.
error_detail words_of(std::string_view body) {
  const auto json = parse_json(body);
  if (!json.is_object()) return parse_error_body(body).detail;
  const auto text = [&json](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? clean_words(found->get<std::string>()) : std::string();
  };
  error_detail detail{text("error"), text("error_description")};
  if (detail.code.empty()) detail.code = text("code");
  if (detail.message.empty()) detail.message = text("message");
  return detail;
}

error refusal(const http::response_head& head, std::string_view body, const std::string& name) {
  error failure = classify_status(head.status, head.fields, words_of(body), name, system_clock().wall());
  failure.context.replace(0, std::string_view("the origin").size(), "it");
  // To the reader the store's door stays shut for want of a credential, whatever status the service chose.
  if (!failure.retryable) failure.kind = error_kind::unauthorised;
  return failure;
}

net::task<result<std::string>> ask_once(std::string name, http::client_request asked, net::deadline until) {
  http::client* const mine = http::client::try_current();
  if (mine == nullptr) co_return fail(error_kind::cancelled, name, "this node is ending");
  asked.policy_applies = false;
  auto answer = co_await mine->send(std::move(asked), until);
  if (!answer) {
    error failure = std::move(answer.error());
    failure.source = name;
    co_return fail(std::move(failure));
  }
  auto text = co_await read_whole(answer->body.get(), answer_bytes, name, until);
  if (!text) co_return fail(std::move(text.error()));
  if (answer->head.status != 200) co_return fail(refusal(answer->head, *text, name));
  co_return text;
}

net::worker_pool& file_readers() {
  static net::worker_pool pool(1, 256);
  return pool;
}

result<std::string> read_small_file(const std::string& name, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(token_file_bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.eof() || file.bad()) {
    return fail(error_kind::unauthorised, name, fmt::format("the file {} cannot be read, or is too long", path));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  if (text.empty()) return fail(error_kind::unauthorised, name, fmt::format("the file {} is empty", path));
  return text;
}

} // namespace

net::task<result<std::string>> ask_service(std::string name, make_request make, net::deadline until) {
  for (unsigned attempt = 1;; ++attempt) {
    http::client_request asked = make();
    auto answer = co_await ask_once(name, std::move(asked), until);
    const bool again = !answer && answer.error().retryable && attempt < attempts && !until.passed();
    if (!again) co_return answer;
    co_await net::sleep_for(first_pause * attempt);
  }
}

result<issued<std::string>> parse_token_answer(std::string_view text, const std::string& name, wall_time now) {
  const auto json = parse_json(text);
  const auto token = json.is_object() ? json.find("access_token") : json.end();
  if (token == json.end() || !token->is_string() || token->get<std::string>().empty()) {
    return fail(error_kind::broken, name, "its answer holds no access_token");
  }
  const auto seconds = [&json](const char* key) -> std::optional<std::uint64_t> {
    const auto found = json.find(key);
    if (found == json.end()) return std::nullopt;
    if (found->is_number_unsigned()) return found->get<std::uint64_t>();
    return found->is_string() ? parse_u64(found->get<std::string>()) : std::nullopt; // Azure writes it as text
  };
  issued<std::string> out{token->get<std::string>(), std::nullopt};
  const auto left = seconds("expires_in");
  const auto end = seconds("expires_on");
  constexpr std::uint64_t far = 10ull * 365 * 86'400; // a year 9999 would overflow the clock
  if (left)
    out.expires = now + std::chrono::seconds(std::min(*left, far));
  else if (end)
    out.expires = std::min(now + std::chrono::seconds(far), wall_time(std::chrono::seconds(std::min(*end, 8 * far))));
  return out;
}

std::string form_of(const std::vector<std::pair<std::string_view, std::string>>& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out += fmt::format("{}={}", name, percent_encode(value));
  }
  return out;
}

http::client_request post_form(std::string url, std::string form) {
  http::client_request request;
  request.method = "POST";
  request.url = std::move(url);
  request.fields.add("Content-Type", "application/x-www-form-urlencoded");
  request.fields.add("Accept", "application/json, text/xml");
  request.body = std::move(form);
  return request;
}

net::task<result<std::string>> read_token_file(std::string name, std::string path, net::deadline until) {
  std::function<result<std::string>()> work = [name, path] { return read_small_file(name, path); };
  auto text = co_await net::offload(file_readers(), until, std::move(work));
  co_return text;
}

std::string environment(const char* name, std::string_view otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::string(otherwise) : std::string(value);
}

std::shared_ptr<void> find_shared_object(const std::string& name, const std::function<std::shared_ptr<void>()>& make) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::weak_ptr<void>> known;
  const std::lock_guard lock(mutex);
  if (auto alive = known[name].lock()) return alive;
  std::erase_if(known, [](const auto& each) { return each.second.expired(); });
  auto made = make();
  known[name] = made;
  return made;
}

std::string fingerprint(std::string_view public_part) {
  const key128 print = sha256_128(public_part);
  return hex(std::span(print.bytes).first(8));
}

} // namespace forebay::origin
