#include "origin/swift/swift_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "http/url.h"
#include "origin/store_url.h"
#include "origin/swift/container_listing.h"

namespace forebay::origin::swift {
namespace {

/// Names that a page of a listing may hold (Swift's own limit), and how long its JSON may be.
constexpr std::size_t page_names = 10'000;
constexpr std::size_t page_bytes = 32 * 1024 * 1024;
/// Swift's own status for a client that is too fast.
constexpr unsigned rate_limited = 498, too_many_requests = 429;

std::string name_of(const location& where) {
  std::string name = "swift://" + where.container;
  if (!where.prefix.empty()) name += "/" + where.prefix;
  if (!where.storage_url.empty()) return name + "?storage_url=" + where.storage_url;
  return name + "?auth_url=" + where.auth_url;
}

/// Swift writes the MD5 of a plain object without quotes; If-Match takes it with them. Of a dynamic large object whose
/// segments do not fit one listing it gives none, and the manifest's Last-Modified says nothing about them.
void settle_validators(http::response_head& head) {
  if (head.status == rate_limited) head.status = too_many_requests;
  const auto tag = head.fields.get("ETag");
  const bool bare = tag && !tag->empty() && tag->find('"') == std::string_view::npos;
  if (bare) head.fields.set("ETag", fmt::format("\"{}\"", *tag));
  if (!tag && head.fields.has("X-Object-Manifest")) head.fields.remove("Last-Modified");
}

} // namespace

result<std::shared_ptr<source>> swift_source::make(std::string_view url, const source_settings& settings) {
  auto where = parse_location(url);
  if (!where) return fail(std::move(where.error()));
  auto shown = swift_authority::find(*where, settings);
  if (!shown) return fail(std::move(shown.error()));
  std::string scope = scope_of(*where, settings);
  return std::make_shared<swift_source>(std::move(*where), std::move(*shown), std::move(scope), settings);
}

swift_source::swift_source(location where, std::shared_ptr<authority> shown, std::string scope,
                           const source_settings& settings)
    : http_source(name_of(where), scope, settings, std::max(settings.egress_usd_per_gb, 0.0)),
      where_(std::move(where)),
      shown_(std::move(shown)),
      scope_(std::move(scope)),
      operator_named_(settings.operator_named) {}

std::string swift_source::full_key(const std::string& key) const { return join_key(where_.prefix, key); }

std::string swift_source::target_of(const std::string& full_key) const {
  std::string target = shown_ == nullptr ? where_.storage_url : std::string();
  target += "/" + percent_encode(where_.container);
  if (!full_key.empty()) target += "/" + percent_encode(full_key, "/");
  return target;
}

identity swift_source::identify(const std::string& key, const std::string&) const {
  // The account is part of the storage URL; behind a token service it follows from who signs in, which the scope tells.
  const std::string endpoint = where_.storage_url.empty() ? where_.auth_url : where_.storage_url;
  return {"swift", endpoint, where_.container, full_key(key), scope_, ""};
}

net::task<result<read_answer>> swift_source::attempt(std::shared_ptr<const read_request> asked, net::deadline until) {
  const auto self = std::static_pointer_cast<swift_source>(shared_from_this());
  const std::string key = self->full_key(asked->key);
  if (key.empty()) {
    co_return fail(error_kind::not_found, self->name(), "a container is no object: its empty key names nothing");
  }
  std::function<http::client_request()> make = [self, asked, key] {
    http::client_request request = self->begin_request(*asked);
    request.fields.remove("Authorization");
    request.url = self->target_of(key);
    request.policy_applies = !self->operator_named_;
    return request;
  };
  auto done = co_await send_authorised(self, self->shown_, std::move(make), until);
  if (!done) co_return fail(std::move(done.error()));
  settle_validators(done->response.head);
  auto answer = co_await self->conclude(asked, std::move(*done));
  co_return answer;
}

net::task<result<std::string>> swift_source::list_text(std::string query, net::deadline until) {
  const auto self = std::static_pointer_cast<swift_source>(shared_from_this());
  std::function<http::client_request()> make = [self, query] {
    http::client_request request;
    self->announce(request.fields);
    request.fields.add("Accept-Encoding", "identity");
    request.url = self->target_of("") + "?" + query;
    request.policy_applies = !self->operator_named_;
    return request;
  };
  auto done = co_await send_authorised(self, self->shown_, std::move(make), until);
  if (!done) co_return fail(std::move(done.error()));
  settle_validators(done->response.head);
  if (done->response.head.status == 204) { // an empty page, in older versions
    self->door().settle(*done, nullptr);
    co_return std::string("[]");
  }
  if (done->response.head.status != 200) {
    error failure = co_await self->read_failure(&*done, nullptr, nullptr);
    co_return fail(std::move(failure));
  }
  self->door().settle(*done, nullptr);
  auto text = co_await read_whole(done->response.body.get(), page_bytes, self->name(), until);
  co_return text;
}

net::task<result<listing>> swift_source::list(list_request asked) {
  const auto self = std::static_pointer_cast<swift_source>(shared_from_this());
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  const std::string base = self->where_.prefix.empty() ? std::string() : self->where_.prefix + "/";
  const std::size_t most = std::max<std::size_t>(asked.max_entries, 1);
  const std::string after = asked.start_after.empty() ? std::string() : base + asked.start_after;
  list_page_request next{base + asked.prefix, asked.continuation.empty() ? after : asked.continuation, asked.recursive,
                         0};
  listing found;
  for (;;) {
    next.limit = std::min(page_names, most - found.entries.size());
    std::function<net::task<result<std::string>>()> once = [self, query = list_query(next), until] {
      return self->list_text(query, until);
    };
    auto text = co_await with_retries<std::string>(self, std::move(once), self->limits().attempts, until);
    if (!text) co_return fail(std::move(text.error()));
    auto page = parse_list_page(*text, self->name());
    if (!page) co_return fail(std::move(page.error()));
    const bool sound = page->entries.size() <= next.limit && (page->last.empty() || page->last > next.marker);
    if (!sound) co_return fail(error_kind::broken, self->name(), "its listing is longer than asked, or goes back");
    const bool whole = page->entries.size() < next.limit;
    for (list_entry& each : page->entries) {
      const bool marker = each.key.size() == next.prefix.size();
      if (!each.key.starts_with(next.prefix) || (marker && !asked.markers) || each.key <= after) continue;
      each.key.erase(0, base.size());
      found.entries.push_back(std::move(each));
    }
    if (whole) co_return found;
    next.marker = std::move(page->last);
    if (found.entries.size() >= most) {
      found.next = std::move(next.marker);
      co_return found;
    }
  }
}

net::task<result<write_answer>> swift_source::write(write_request asked) {
  const auto self = std::static_pointer_cast<swift_source>(shared_from_this());
  if (asked.key.empty()) co_return fail(no_key_to_write(self->name()));
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  http::client_request request;
  request.method = asked.method;
  request.fields = std::move(asked.fields);
  for (const char* ours : {"Authorization", "X-Auth-Token", "X-Storage-Token"}) request.fields.remove(ours);
  self->announce(request.fields);
  request.url = self->target_of(self->full_key(asked.key)) + (asked.query.empty() ? "" : "?" + asked.query);
  request.policy_applies = !self->operator_named_;
  request.upload = std::move(asked.body);
  request.upload_bytes = asked.length_bytes;
  authority::ticket shown;
  if (self->shown_ != nullptr) {
    auto added = co_await self->shown_->authorise(&request, until);
    if (!added) co_return fail(std::move(added.error()));
    shown = std::move(*added);
  }
  auto done = co_await self->door().perform(std::move(request), until);
  if (!done) {
    self->door().count_error(done.error());
    co_return fail(std::move(done.error()));
  }
  http::response_head& head = done->response.head;
  // The body is spent, so this write cannot be tried again with a new token; the next one will have it.
  if (head.status == 401 && shown != nullptr) self->shown_->refused(shown);
  const error failure = classify_status(head.status, head.fields, {}, self->name(), done->received);
  const bool tells = head.status >= 500 || failure.kind == error_kind::throttled;
  self->door().settle(*done, tells ? &failure : nullptr);
  http::remove_hop_by_hop(head.fields);
  self->keep_session(head.fields);
  co_return write_answer{std::move(head), std::move(done->response.body)};
}

} // namespace forebay::origin::swift
