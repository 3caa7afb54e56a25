#include "origin/http_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/text.h"
#include "http/via.h"
#include "origin/checked_body.h"
#include "origin/error_body.h"

namespace forebay::origin {
namespace {

/// How much of an error's body is read for its words, and of an unwanted body to keep the connection.
constexpr std::size_t error_body_bytes = 64 * 1024;
constexpr std::size_t discard_bytes = 64 * 1024;

/// The node's name as the value of a quoted-string or comment: what is not plain is left out.
std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool kept =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (kept) out += c;
  }
  return out;
}

void append_member(http::header_table& fields, std::string_view name, std::string_view member) {
  const auto before = fields.joined(name);
  fields.set(name, before ? fmt::format("{}, {}", *before, member) : std::string(member));
}

std::string format_range_field(const http::range_spec& range) {
  if (range.is_suffix()) return fmt::format("bytes=-{}", range.last.value_or(0));
  if (!range.last) return fmt::format("bytes={}-", *range.first);
  return fmt::format("bytes={}-{}", *range.first, *range.last);
}

/// A store may say back what it was shown, and its words are logged.
void mask_secret(std::string& words, const std::string& secret) {
  for (std::size_t at = words.find(secret); at != std::string::npos; at = words.find(secret, at))
    words.replace(at, secret.size(), "***");
}

constexpr bool is_of_object(unsigned status) noexcept {
  return status == 200 || status == 203 || status == 204 || status == 206 || status == 304;
}

} // namespace

net::deadline deadline_or(net::deadline until, std::chrono::milliseconds span) {
  return until.at == steady_time{} ? net::deadline::after(span) : until.within(span);
}

std::chrono::milliseconds backoff(unsigned attempt, const origin_limits& limits) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto ceiling =
      std::min<std::int64_t>(limits.retry_cap.count(), limits.retry_base.count() << std::min(attempt, 16u));
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>(0, std::max<std::int64_t>(ceiling, 0))(random));
}

http_source::http_source(std::string name, const std::string& scope, const source_settings& settings,
                         double egress_usd_per_gb)
    : gate_(gate::find(name, scope, settings.limits)),
      limits_(settings.limits),
      egress_usd_per_gb_(egress_usd_per_gb),
      node_name_(settings.node_name),
      carries_tokens_(settings.carries_tokens),
      anonymous_(scope == "anonymous") {}

void http_source::keep_session(http::header_table& fields) const {
  if (!anonymous_) fields.remove("Set-Cookie");
}

std::shared_ptr<authority> http_source::shown_for(const shown_token& token, std::shared_ptr<authority> own) const {
  return carries_tokens_ ? as_reader(token) : std::move(own);
}

std::optional<std::chrono::milliseconds> http_source::pause_before(const error& failure, unsigned attempt,
                                                                   unsigned attempts, net::deadline until) const {
  const bool breaker_open = gate_->circuit().closed_in().count() > 0;
  if (!failure.retryable || attempt + 1 >= attempts || breaker_open) return std::nullopt;
  auto pause = backoff(attempt, limits_);
  if (failure.retry_after) pause += *failure.retry_after;
  if (std::chrono::steady_clock::now() + pause >= until.at) return std::nullopt;
  return pause;
}

net::task<result<read_answer>> http_source::read(read_request wanted) {
  const auto self = shared_from_this();
  const net::deadline until = deadline_or(wanted.until, limits_.read_timeout);
  const unsigned attempts = wanted.may_retry ? std::max(1u, limits_.attempts) : 1;
  const auto asked = std::make_shared<const read_request>(std::move(wanted));
  std::function<net::task<result<read_answer>>()> once = [self, asked, until] { return self->attempt(asked, until); };
  auto answer = co_await with_retries<read_answer>(self, std::move(once), attempts, until);
  co_return answer;
}

error no_key_to_write(const std::string& source) {
  return {error_kind::invalid_input, source, "a write needs a key: the bucket itself is not written through the node"};
}

void announce_node(http::header_table& fields, std::string_view node_name) {
  const std::string node = plain(node_name);
  if (!http::told_by_us(fields)) append_member(fields, "Via", http::via_member(11));
  if (!node.empty()) fields.set("Via", fmt::format("{} ({})", *fields.joined("via"), node));
  append_member(fields, "CDN-Loop", node.empty() ? "forebay" : fmt::format("forebay; node=\"{}\"", node));
}

void http_source::announce(http::header_table& fields) const { announce_node(fields, node_name_); }

http::client_request http_source::begin_request(const read_request& asked) const {
  http::client_request request;
  request.method = asked.head_only ? "HEAD" : "GET";
  request.fields = asked.fields;
  for (const char* ours :
       {"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}) {
    request.fields.remove(ours);
  }
  // Ranges and lengths are of the identity coding; a coded variant is asked for by name (RFC 9110 §12.5.3).
  if (!request.fields.has("Accept-Encoding")) request.fields.add("Accept-Encoding", "identity");
  if (asked.range && !asked.head_only) request.fields.add("Range", format_range_field(*asked.range));
  add_pin(request.fields, asked.pin);
  if (asked.if_none_match) request.fields.add("If-None-Match", *asked.if_none_match);
  if (asked.if_modified_since) request.fields.add("If-Modified-Since", *asked.if_modified_since);
  announce(request.fields);
  return request;
}

net::task<result<exchange>> http_source::send_authorised(std::shared_ptr<const http_source> self,
                                                         std::shared_ptr<authority> shown,
                                                         std::function<http::client_request()> make,
                                                         net::deadline until) {
  constexpr unsigned unauthorised = 401;
  for (int turn = 0;; ++turn) {
    http::client_request request = make();
    authority::ticket ticket;
    if (shown != nullptr) {
      auto added = co_await shown->authorise(&request, until);
      if (!added) co_return fail(std::move(added.error()));
      ticket = std::move(*added);
    }
    auto done = co_await self->door().perform(std::move(request), until);
    const bool again =
        done && done->response.head.status == unauthorised && turn == 0 && ticket != nullptr && shown->refused(ticket);
    if (!again) co_return done;
    self->door().settle(*done, nullptr);
    co_await discard(std::move(done->response.body));
  }
}

net::task<result<write_answer>> http_source::send_write(std::shared_ptr<const http_source> self,
                                                        std::shared_ptr<authority> shown, http::client_request request,
                                                        net::deadline until) {
  authority::ticket ticket;
  if (shown != nullptr) {
    auto added = co_await shown->authorise(&request, until);
    if (!added) co_return fail(std::move(added.error()));
    ticket = std::move(*added);
  }
  auto done = co_await self->door().perform(std::move(request), until);
  if (!done) {
    self->door().count_error(done.error());
    co_return fail(std::move(done.error()));
  }
  http::response_head& head = done->response.head;
  // The body is spent; the next request shows something newer.
  if (head.status == 401 && ticket != nullptr) shown->refused(ticket);
  const error failure = classify_status(head.status, head.fields, {}, self->name(), done->received);
  // 502 to 504 say that nobody stands behind the address; any other word is of an application that lives.
  const bool nobody_there = head.status >= 502 && head.status <= 504;
  const bool tells = nobody_there || failure.kind == error_kind::throttled;
  self->door().settle(*done, tells ? &failure : nullptr);
  http::remove_hop_by_hop(head.fields);
  self->keep_session(head.fields);
  co_return write_answer{std::move(head), std::move(done->response.body)};
}

net::task<void> http_source::discard(std::unique_ptr<http::client_body> body) {
  const std::string unwanted = co_await read_some_text(body.get(), discard_bytes);
  (void)unwanted;
}

net::task<error> http_source::read_failure(exchange* done, shown_token token, std::shared_ptr<access_probe> probe) {
  const auto self = shared_from_this();
  const auto& head = done->response.head;
  if (probe != nullptr && (head.status == 401 || head.status == 403))
    probe->challenge = head.fields.joined("www-authenticate").value_or("");
  const std::string body = co_await read_some_text(done->response.body.get(), error_body_bytes);
  error_words words = parse_error_body(body);
  // Azure says it in a field too, which answers to HEAD have.
  if (words.detail.code.empty()) words.detail.code = clean_words(head.fields.get("x-ms-error-code").value_or(""));
  error failure = classify_status(head.status, head.fields, words.detail, self->name(), done->received);
  self->door().settle(*done, &failure);
  if (token != nullptr) mask_secret(failure.context, token->secret());
  co_return failure;
}

net::task<result<read_answer>> http_source::conclude(std::shared_ptr<const read_request> asked, exchange done) {
  const auto self = shared_from_this();
  if (done.response.head.status >= 400) {
    error failure = co_await self->read_failure(&done, asked->token, asked->probe);
    co_return fail(std::move(failure));
  }
  if (!is_of_object(done.response.head.status)) {
    error failure{error_kind::broken, self->name(),
                  fmt::format("it answered {}, which is no object and is not passed on", done.response.head.status)};
    failure.origin_status = static_cast<int>(done.response.head.status);
    self->door().settle(done, &failure);
    co_return fail(std::move(failure));
  }
  auto answer = check_answer(*asked, std::move(done.response.head), self->name(), done.requested, done.received);
  // A store that contradicts itself is not healthy; one whose object changed is.
  const bool unsound = !answer && answer.error().kind == error_kind::broken;
  self->door().settle(done, unsound ? &answer.error() : nullptr);
  if (!answer) {
    if (asked->token != nullptr) mask_secret(answer.error().context, asked->token->secret());
    co_return fail(std::move(answer.error()));
  }
  const bool bodiless = asked->head_only || answer->status == 204 || answer->status == 304;
  if (!bodiless) answer->body = std::move(done.response.body);
  self->keep_session(answer->fields);
  check_whole(*answer, self->name());
  co_return answer;
}

} // namespace forebay::origin
