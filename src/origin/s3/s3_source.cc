#include "origin/s3/s3_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "origin/error_body.h"
#include "origin/prices.h"
#include "origin/s3/list_objects.h"
#include "origin/s3/sigv4.h"

namespace forebay::origin::s3 {
namespace {

/// Keys a page of a listing may hold (S3's own limit), and how long its XML may be.
constexpr std::size_t page_keys = 1000;
constexpr std::size_t page_bytes = 16 * 1024 * 1024;
constexpr std::size_t error_body_bytes = 64 * 1024;

/// Fields of a client that its own signature covered: ours replaces them.
constexpr std::array<std::string_view, 5> client_signature = {"Authorization", "x-amz-date", "x-amz-content-sha256",
                                                              "x-amz-security-token", "Date"};

std::string name_of(const location& where) {
  std::string name = "s3://" + where.bucket;
  if (!where.prefix.empty()) name += "/" + where.prefix;
  if (!where.aws())
    name += fmt::format("?endpoint={}://{}:{}{}", where.scheme, where.host, where.port, where.base_path);
  return name;
}

std::string scope_of(const std::optional<access_keys>& keys) {
  if (!keys) return "anonymous";
  const key128 print = sha256_128("s3:" + keys->access_key_id);
  return "s3:" + hex(std::span(print.bytes).first(8));
}

bool may_be_region_answer(unsigned status) { return status == 301 || status == 307 || status == 400 || status == 403; }

} // namespace

result<std::shared_ptr<source>> s3_source::make(std::string_view url, const source_settings& settings) {
  auto where = parse_location(url);
  if (!where) return fail(std::move(where.error()));
  auto keys = find_keys(where->keys, settings);
  if (!keys) return fail(std::move(keys.error()));
  if (where->region.empty()) where->region = keys->region.empty() ? "us-east-1" : keys->region;
  std::string scope = scope_of(keys->keys);
  return std::make_shared<s3_source>(std::move(*where), std::move(*keys), std::move(scope), settings);
}

s3_source::s3_source(location where, found_keys keys, std::string scope, const source_settings& settings)
    : http_source(name_of(where), scope, settings,
                  settings.egress_usd_per_gb >= 0
                      ? settings.egress_usd_per_gb
                      : list_price_usd_per_gb(where.aws() ? "s3.amazonaws.com" : where.host, where.region)),
      where_(std::move(where)),
      keys_(std::move(keys.keys)),
      scope_(std::move(scope)),
      operator_named_(settings.operator_named),
      region_(where_.region) {}

std::string s3_source::full_key(const std::string& key) const {
  if (where_.prefix.empty()) return key;
  return key.empty() ? where_.prefix : where_.prefix + "/" + key;
}

identity s3_source::identify(const std::string& key, const std::string&) const {
  return {"s3", canonical_endpoint(where_), where_.bucket, full_key(key), scope_, ""};
}

std::string s3_source::region() const {
  const std::lock_guard lock(mutex_);
  return region_;
}

bool s3_source::learn_region(const http::response_head& head, std::string_view body, const std::string& used) {
  if (!may_be_region_answer(head.status)) return false;
  std::string told(head.fields.get("x-amz-bucket-region").value_or(""));
  if (told.empty()) told = parse_error_body(body).region;
  const bool plain =
      std::all_of(told.begin(), told.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
  if (told.empty() || told == used || !plain || told.size() > 64) return false;
  const std::lock_guard lock(mutex_);
  if (region_ != told) log::info("origin", "{} is in region {}, not {}", name(), told, used);
  region_ = told;
  return true;
}

void s3_source::address_request(http::client_request& request, const std::string& key, const std::string& query,
                                std::string_view payload_hash, const std::string& in_region) const {
  const address to = address_of(where_, in_region, key);
  request.url = to.origin + to.encoded_path + (query.empty() ? "" : "?" + query);
  request.policy_applies = !operator_named_;
  for (const std::string_view each : client_signature) request.fields.remove(each);
  if (!keys_) return;
  signed_request to_sign{request.method, to.host, to.encoded_path, query, std::string(payload_hash)};
  sign(to_sign, request.fields, *keys_, in_region, system_clock().wall());
}

net::task<result<read_answer>> s3_source::attempt(std::shared_ptr<const read_request> asked, net::deadline until) {
  const auto self = std::static_pointer_cast<s3_source>(shared_from_this());
  const std::string key = self->full_key(asked->key);
  if (key.empty())
    co_return fail(error_kind::not_found, self->name(), "a bucket is no object: its empty key names nothing");
  for (int turn = 0;; ++turn) {
    const std::string in_region = self->region();
    http::client_request request = self->begin_request(*asked);
    self->address_request(request, key, "", empty_payload_sha256, in_region);
    auto done = co_await self->door().perform(std::move(request), until);
    if (!done) co_return fail(std::move(done.error()));
    const http::response_head& head = done->response.head;
    if (head.status < 300 || head.status == 304 || head.status == 404) {
      auto answer = co_await self->conclude(asked, std::move(*done));
      co_return answer;
    }
    const std::string body = co_await read_some_text(done->response.body.get(), error_body_bytes);
    if (turn == 0 && self->learn_region(head, body, in_region)) {
      self->door().settle(*done, nullptr);
      continue;
    }
    const error failure =
        classify_status(head.status, head.fields, parse_error_body(body).detail, self->name(), done->received);
    self->door().settle(*done, &failure);
    co_return fail(failure);
  }
}

net::task<result<std::string>> s3_source::list_text(std::string query, net::deadline until) {
  const auto self = std::static_pointer_cast<s3_source>(shared_from_this());
  for (int turn = 0;; ++turn) {
    const std::string in_region = self->region();
    http::client_request request;
    self->announce(request.fields);
    request.fields.add("Accept-Encoding", "identity");
    self->address_request(request, "", query, empty_payload_sha256, in_region);
    auto done = co_await self->door().perform(std::move(request), until);
    if (!done) co_return fail(std::move(done.error()));
    const http::response_head& head = done->response.head;
    if (head.status == 200) {
      self->door().settle(*done, nullptr);
      auto text = co_await read_whole(done->response.body.get(), page_bytes, self->name());
      co_return text;
    }
    const std::string body = co_await read_some_text(done->response.body.get(), error_body_bytes);
    if (turn == 0 && self->learn_region(head, body, in_region)) {
      self->door().settle(*done, nullptr);
      continue;
    }
    const error failure =
        classify_status(head.status, head.fields, parse_error_body(body).detail, self->name(), done->received);
    self->door().settle(*done, &failure);
    co_return fail(failure);
  }
}

net::task<result<listing>> s3_source::list(list_request asked) {
  const auto self = std::static_pointer_cast<s3_source>(shared_from_this());
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  const std::string base = self->where_.prefix.empty() ? std::string() : self->where_.prefix + "/";
  const std::string whole_prefix = base + asked.prefix;
  const std::string start_after = asked.start_after.empty() ? std::string() : base + asked.start_after;
  listing found;
  std::string continuation = std::move(asked.continuation);
  for (;;) {
    const std::size_t room = std::max<std::size_t>(asked.max_entries, 1) - found.entries.size();
    const std::string query =
        list_query({whole_prefix, asked.recursive, start_after, continuation, std::min(page_keys, room)});
    std::function<net::task<result<std::string>>()> once = [self, query, until] {
      return self->list_text(query, until);
    };
    auto text = co_await with_retries<std::string>(self, std::move(once), self->limits().attempts, until);
    if (!text) co_return fail(std::move(text.error()));
    auto page = parse_list_page(*text, self->name());
    if (!page) co_return fail(std::move(page.error()));
    if (page->entries.size() > room)
      co_return fail(error_kind::broken, self->name(), "its listing is longer than asked");
    for (list_entry& each : page->entries) {
      // A foreign key would be a store's defect.
      if (!each.key.starts_with(whole_prefix)) continue;
      if (each.key.size() == whole_prefix.size() && !asked.markers) continue;
      each.key.erase(0, base.size());
      found.entries.push_back(std::move(each));
    }
    if (!page->next.empty() && page->next == continuation) {
      co_return fail(error_kind::broken, self->name(), "its listing repeats the same page");
    }
    continuation = std::move(page->next);
    if (continuation.empty() || found.entries.size() >= asked.max_entries) {
      found.next = std::move(continuation);
      co_return found;
    }
  }
}

net::task<result<write_answer>> s3_source::write(write_request asked) {
  const auto self = std::static_pointer_cast<s3_source>(shared_from_this());
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  const bool has_body = asked.body != nullptr;
  if (has_body && !asked.length_bytes) {
    co_return fail(error_kind::unsupported, self->name(), "S3 takes no body of unknown length; send Content-Length");
  }
  const std::string in_region = self->region();
  http::client_request request;
  request.method = asked.method;
  request.fields = std::move(asked.fields);
  self->announce(request.fields);
  self->address_request(request, self->full_key(asked.key), asked.query,
                        has_body ? unsigned_payload : empty_payload_sha256, in_region);
  request.upload = std::move(asked.body);
  request.upload_bytes = asked.length_bytes;
  auto done = co_await self->door().perform(std::move(request), until);
  if (!done) {
    self->door().count_error(done.error());
    co_return fail(std::move(done.error()));
  }
  // A wrong region cannot be tried again here, as the body is spent; the next request knows better.
  const bool elsewhere = self->learn_region(done->response.head, "", in_region);
  (void)elsewhere;
  const error failure =
      classify_status(done->response.head.status, done->response.head.fields, {}, self->name(), done->received);
  self->door().settle(*done, done->response.head.status >= 500 ? &failure : nullptr);
  http::remove_hop_by_hop(done->response.head.fields);
  co_return write_answer{std::move(done->response.head), std::move(done->response.body)};
}

} // namespace forebay::origin::s3
