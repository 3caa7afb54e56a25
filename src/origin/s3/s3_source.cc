#include "origin/s3/s3_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>

#include "base/log.h"
#include "base/text.h"
#include "origin/error_body.h"
#include "origin/prices.h"
#include "origin/s3/list_objects.h"
#include "origin/s3/sigv4.h"
#include "origin/token_service.h"

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

std::string scope_of(const found_keys& found) {
  if (found.issued != nullptr) return found.issued->scope;
  return found.keys ? "s3:" + fingerprint("s3:" + found.keys->access_key_id) : "anonymous";
}

/// "versionId=..." of a reader's query: that version of the object. Other parameters are not for the store.
std::string version_query(std::string_view query) {
  for (const std::string_view each : split(query, '&')) {
    constexpr std::string_view name = "versionId=";
    if (!each.starts_with(name)) continue;
    const auto value = percent_decode(each.substr(name.size()));
    if (value && !value->empty()) return std::string(name) + encode_parameter(*value);
  }
  return {};
}

/// The store says that keys which were good have come to their end. An answer to HEAD has no words.
bool refuses_keys(const http::response_head& head, std::string_view text) {
  constexpr std::array<std::string_view, 5> codes = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired",
                                                     "InvalidToken", "InvalidAccessKeyId"};
  if (head.status == 401) return true;
  if (head.status != 400 && head.status != 403) return false;
  const std::string code = parse_error_body(text).detail.code;
  return (head.status == 400 && text.empty()) || std::find(codes.begin(), codes.end(), code) != codes.end();
}

/// They were asked for by the node and checked here; a reader who gets a part of the object could not use them.
void remove_checksums(http::header_table& fields) {
  for (const char* each : {"crc32", "crc32c", "crc64nvme", "sha1", "sha256"})
    fields.remove(std::string("x-amz-checksum-") + each);
  fields.remove("x-amz-checksum-type");
}

std::string first_region(const location& where, const found_keys& keys) {
  if (!where.region.empty()) return where.region;
  return keys.region.empty() ? "us-east-1" : keys.region;
}

bool may_be_region_answer(unsigned status) { return status == 301 || status == 307 || status == 400 || status == 403; }

} // namespace

result<std::shared_ptr<source>> s3_source::make(std::string_view url, const source_settings& settings) {
  auto where = parse_location(url);
  if (!where) return fail(std::move(where.error()));
  auto keys = find_keys(where->keys, settings, where->region);
  if (!keys) return fail(std::move(keys.error()));
  std::string scope = scope_of(*keys);
  return std::make_shared<s3_source>(std::move(*where), std::move(*keys), std::move(scope), settings);
}

s3_source::s3_source(location where, found_keys keys, std::string scope, const source_settings& settings)
    : http_source(name_of(where), scope, settings,
                  settings.egress_usd_per_gb >= 0 ? settings.egress_usd_per_gb
                                                  : list_price_usd_per_gb(where.aws() ? "s3.amazonaws.com" : where.host,
                                                                          first_region(where, keys))),
      where_(std::move(where)),
      keys_(keys.keys ? std::make_shared<const access_keys>(*keys.keys) : nullptr),
      issued_(keys.issued),
      region_sure_(!where_.region.empty()),
      scope_(std::move(scope)),
      operator_named_(settings.operator_named),
      region_(first_region(where_, keys)) {}

std::string s3_source::full_key(const std::string& key) const {
  if (where_.prefix.empty()) return key;
  return key.empty() ? where_.prefix : where_.prefix + "/" + key;
}

identity s3_source::identify(const std::string& key, const std::string& query) const {
  std::string name = full_key(key);
  const std::string version = version_query(query);
  if (!version.empty()) name += '\0' + version; // no key holds a NUL
  return {"s3", canonical_endpoint(where_), where_.bucket, std::move(name), scope_, ""};
}

std::string s3_source::public_url(const std::string& key) const {
  if (scope_ != "anonymous" || key.empty()) return {};
  const address to = address_of(where_, region(), full_key(key));
  return to.origin + to.encoded_path;
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

void s3_source::address_request(http::client_request& request, const target& about, const std::string& in_region,
                                const access_keys* keys) const {
  const address to = address_of(where_, in_region, about.key);
  request.url = to.origin + to.encoded_path + (about.query.empty() ? "" : "?" + about.query);
  request.policy_applies = !operator_named_;
  for (const std::string_view each : client_signature) request.fields.remove(each);
  if (keys == nullptr) return;
  if (where_.requester_pays) request.fields.set("x-amz-request-payer", "requester");
  signed_request to_sign{request.method, to.host, to.encoded_path, about.query, std::string(about.payload_hash)};
  sign(to_sign, request.fields, *keys, in_region, system_clock().wall());
}

bool s3_source::ask_again(const reply& got, const std::string& used_region,
                          const std::shared_ptr<const access_keys>& shown, bool& moved, bool& renewed) {
  const http::response_head& head = got.done.response.head;
  if (!moved && learn_region(head, got.error_text, used_region)) return moved = true;
  const bool refused = issued_ != nullptr && refuses_keys(head, got.error_text) && issued_->keys.refused(shown);
  if (renewed || !refused) return false;
  return renewed = true;
}

net::task<result<s3_source::reply>> s3_source::ask(std::shared_ptr<s3_source> self,
                                                   std::function<http::client_request()> make, target about,
                                                   net::deadline until) {
  bool moved = false, renewed = false;
  for (;;) {
    std::shared_ptr<const access_keys> keys = self->keys_;
    if (self->issued_ != nullptr) {
      auto issued = co_await self->issued_->keys.get(until);
      if (!issued) co_return fail(std::move(issued.error()));
      keys = std::move(*issued);
    }
    const std::string in_region = self->region();
    http::client_request request = make();
    self->address_request(request, about, in_region, keys.get());
    auto done = co_await self->door().perform(std::move(request), until);
    if (!done) co_return fail(std::move(done.error()));
    reply got{std::move(*done), {}};
    const unsigned status = got.done.response.head.status;
    if (status < 300) self->region_sure_.store(true, std::memory_order_relaxed);
    if (status < 300 || status == 304 || !about.repeatable) {
      // What was sent once is not sent again; the next request knows better.
      if (!about.repeatable) self->ask_again(got, in_region, keys, moved, renewed);
      co_return got;
    }
    got.error_text = co_await read_some_text(got.done.response.body.get(), error_body_bytes);
    if (!self->ask_again(got, in_region, keys, moved, renewed)) co_return got;
    self->door().settle(got.done, nullptr);
  }
}

error s3_source::failure_of(reply& got) {
  const http::response_head& head = got.done.response.head;
  error failure =
      classify_status(head.status, head.fields, parse_error_body(got.error_text).detail, name(), got.done.received);
  door().settle(got.done, &failure);
  return failure;
}

net::task<result<read_answer>> s3_source::attempt(std::shared_ptr<const read_request> asked, net::deadline until) {
  const auto self = std::static_pointer_cast<s3_source>(shared_from_this());
  target about{self->full_key(asked->key), version_query(asked->query), empty_payload_sha256};
  if (about.key.empty())
    co_return fail(error_kind::not_found, self->name(), "a bucket is no object: its empty key names nothing");
  std::function<http::client_request()> make = [self, asked] {
    http::client_request request = self->begin_request(*asked);
    // The checksum is of the whole object: a reader of a range could not check it, and some would try.
    if (!asked->range && !asked->head_only) request.fields.set("x-amz-checksum-mode", "ENABLED");
    return request;
  };
  auto got = co_await ask(self, std::move(make), std::move(about), until);
  if (!got) co_return fail(std::move(got.error()));
  const unsigned status = got->done.response.head.status;
  if (status >= 300 && status != 304) co_return fail(self->failure_of(*got));
  auto answer = co_await self->conclude(asked, std::move(got->done));
  if (answer) remove_checksums(answer->fields);
  co_return answer;
}

net::task<result<std::string>> s3_source::list_text(std::string query, net::deadline until) {
  const auto self = std::static_pointer_cast<s3_source>(shared_from_this());
  std::function<http::client_request()> make = [self] {
    http::client_request request;
    self->announce(request.fields);
    request.fields.add("Accept-Encoding", "identity");
    return request;
  };
  target about{"", std::move(query), empty_payload_sha256};
  auto got = co_await ask(self, std::move(make), std::move(about), until);
  if (!got) co_return fail(std::move(got.error()));
  if (got->done.response.head.status != 200) co_return fail(self->failure_of(*got));
  self->door().settle(got->done, nullptr);
  auto text = co_await read_whole(got->done.response.body.get(), page_bytes, self->name(), until);
  co_return text;
}

/// A body is sent once, so the region has to be right at the first attempt: the bucket tells it to a HEAD.
net::task<void> s3_source::find_region(std::shared_ptr<s3_source> self, net::deadline until) {
  std::function<http::client_request()> make = [self] {
    http::client_request request;
    request.method = "HEAD";
    self->announce(request.fields);
    return request;
  };
  target about{"", "", empty_payload_sha256};
  auto got = co_await ask(self, std::move(make), std::move(about), until);
  if (!got) co_return;
  self->door().settle(got->done, nullptr);
  self->region_sure_.store(true, std::memory_order_relaxed); // there is nobody else to ask
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
  // The bucket itself is the operator's; GET asks it for its uploads.
  if (asked.key.empty() && asked.method != "GET") co_return fail(no_key_to_write(self->name()));
  const bool has_body = asked.body != nullptr;
  if (has_body && !asked.length_bytes) {
    co_return fail(error_kind::unsupported, self->name(), "S3 takes no body of unknown length; send Content-Length");
  }
  const bool unsure = has_body && (self->keys_ != nullptr || self->issued_ != nullptr) && !self->region_sure_;
  if (unsure) co_await find_region(self, until);
  const auto spent = std::make_shared<write_request>(std::move(asked));
  std::function<http::client_request()> make = [self, spent] {
    http::client_request request;
    request.method = spent->method;
    request.fields = spent->fields;
    self->announce(request.fields);
    request.upload = std::move(spent->body);
    request.upload_bytes = spent->length_bytes;
    return request;
  };
  const target about{self->full_key(spent->key), spent->query, has_body ? unsigned_payload : empty_payload_sha256,
                     false};
  auto got = co_await ask(self, std::move(make), about, until);
  if (!got) {
    self->door().count_error(got.error());
    co_return fail(std::move(got.error()));
  }
  http::response_head& head = got->done.response.head;
  const error failure = classify_status(head.status, head.fields, {}, self->name(), got->done.received);
  const bool tells = head.status >= 500 || failure.kind == error_kind::throttled;
  self->door().settle(got->done, tells ? &failure : nullptr);
  http::remove_hop_by_hop(head.fields);
  self->keep_session(head.fields);
  co_return write_answer{std::move(head), std::move(got->done.response.body)};
}

} // namespace forebay::origin::s3
