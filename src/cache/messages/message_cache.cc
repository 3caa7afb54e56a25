#include "cache/messages/message_cache.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "cache/messages/message_engine.h"
#include "cache/messages/outgoing.h"
#include "http/targeted_control.h"
#include "http/url.h"
#include "origin/web/web_source.h"

namespace forebay::cache::messages {
namespace {

/// Methods that change nothing (RFC 9110 §9.2.1, and those of its registry): they make nothing invalid.
bool is_safe(std::string_view method) noexcept {
  static constexpr std::array<std::string_view, 6> safe{"OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"};
  return std::find(safe.begin(), safe.end(), method) != safe.end();
}

/// The name below the origin that a reference in an answer means; nothing where it leads elsewhere. It counts as the
/// origin wrote it, or as the reader sees it (RFC 9111 §4.4: the same host alone).
std::optional<origin::identity> named_by(const exchange_state& of, std::string_view reference) {
  const auto& name = of.at->name;
  if (name.kind != "web") return std::nullopt;
  const auto resolved = http::resolve_reference(name.endpoint + name.key, reference);
  const auto url = resolved ? http::parse_url(*resolved) : http::parse_url("");
  if (!url) return std::nullopt;
  const std::string query = url->query.empty() ? "" : "?" + url->query;
  if (url->authority() == name.endpoint) {
    origin::identity named = name;
    const auto decoded = percent_decode(url->path);
    named.key = (decoded ? origin::web::encode_path(*decoded) : url->path) + query;
    return named;
  }
  const bool usual = url->port == (url->scheme == "https" ? 443 : 80);
  const std::string host = usual ? url->host : url->host + ":" + std::to_string(url->port);
  const auto& space = *of.asked.where.space;
  if (host != of.asked.host || !url->path.starts_with(space.path + "/")) return std::nullopt;
  const auto key = percent_decode(std::string_view(url->path).substr(space.path.size() + 1));
  if (!key) return std::nullopt;
  return space.origins.front()->identify(*key, url->query);
}

/// What a success of an unsafe method makes invalid (RFC 9111 §4.4).
void invalidate(const exchange_state& of, const http::header_table* answer) {
  std::vector<origin::identity> names{of.at->name};
  for (const std::string_view field : {"location", "content-location"}) {
    const auto reference = answer != nullptr ? answer->get(field) : std::nullopt;
    auto named = reference ? named_by(of, *reference) : std::nullopt;
    if (named) names.push_back(std::move(*named));
  }
  for (const auto& name : names) {
    const auto entry = of.store->entries.find(name);
    if (entry != nullptr && forget_entry(*entry)) of.store->invalidated.add();
  }
}

} // namespace

net::task<result<http::response>> write_message(std::shared_ptr<exchange_state> of) {
  const auto& where = of->asked.where;
  const auto& time = of->store->shared->time;
  lookup_report& report = *of->asked.report;
  report.forwarded = forward_reason::method;
  origin::write_request wanted;
  wanted.method = of->asked.method;
  wanted.key = where.key;
  wanted.query = where.query;
  wanted.fields = end_to_end(of->asked.fields, of->asked.from_trusted_proxy, of->asked.version);
  if (of->asked.method == "OPTIONS") count_forward(wanted.fields);
  wanted.body = std::move(of->asked.body);
  wanted.length_bytes = of->asked.body_bytes;
  wanted.until = of->asked.write_until;
  wanted.on_interim = of->asked.on_interim;
  const auto source = where.space->origins.front(); // the others are its mirrors: they follow it, not us
  report.origin = source->name();
  const wall_time requested = time.wall();
  auto answered = co_await source->write(std::move(wanted));
  const bool safe = is_safe(of->asked.method);
  if (!answered) {
    if (!safe) invalidate(*of, nullptr); // it may have been done all the same
    co_return fail(answered.error());
  }
  const auto& head = answered->head;
  report.forward_status = head.status;
  report.passed = true;
  if (!safe && head.status >= 200 && head.status < 400) invalidate(*of, &head.fields);
  arrival came = arrive(std::move(*answered), requested, time.wall());
  const auto content = came.fields.get("content-location");
  const auto named = content && of->asked.method == "POST" ? named_by(*of, *content) : std::nullopt;
  if (named && named->canonical() == of->at->name.canonical()) {
    auto kept = take_post(*of, came);
    if (kept) co_return std::move(*kept);
  }
  co_return pass_on(*of, std::move(came));
}

struct message_cache::impl {
  explicit impl(std::shared_ptr<engine> shared) : store(std::make_shared<message_engine>(std::move(shared))) {}
  std::shared_ptr<message_engine> store;
};

message_cache::message_cache(std::shared_ptr<engine> shared) : impl_(std::make_shared<impl>(std::move(shared))) {}
message_cache::~message_cache() = default;

net::task<result<http::response>> message_cache::exchange(message_request asked) {
  auto of = std::make_shared<exchange_state>();
  of->store = impl_->store;
  of->asked = std::move(asked);
  of->directives = http::request_cache_control(of->asked.fields);
  of->head_only = of->asked.method == "HEAD";
  const auto& where = of->asked.where;
  const auto name = where.space->origins.front()->identify(where.key, where.query);
  bool made = false;
  of->at = of->store->entries.get(name, of->store->shared->limits_now()->stored_messages, made);
  if (of->head_only || of->asked.method == "GET") {
    auto answer = co_await read_message(of);
    co_return answer;
  }
  auto answer = co_await write_message(of);
  co_return answer;
}

std::size_t message_cache::forget(const std::function<bool(const origin::identity&)>& which) {
  std::size_t count = 0;
  impl_->store->entries.each([&](const std::shared_ptr<message_entry>& each) {
    if (which(each->name) && forget_entry(*each)) ++count;
  });
  return count;
}

std::size_t message_cache::forget_tag(const std::string& tag) {
  std::size_t count = 0;
  impl_->store->entries.each([&](const std::shared_ptr<message_entry>& each) {
    bool tagged = false;
    {
      const std::lock_guard lock(each->mutex);
      tagged = std::any_of(each->variants.begin(), each->variants.end(), [&](const auto& one) {
        const auto& tags = one->head->tags;
        return std::find(tags.begin(), tags.end(), tag) != tags.end();
      });
    }
    if (tagged && forget_entry(*each)) ++count;
  });
  return count;
}

std::size_t message_cache::size() const noexcept { return impl_->store->entries.size(); }

} // namespace forebay::cache::messages
