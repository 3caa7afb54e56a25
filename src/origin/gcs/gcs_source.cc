#include "origin/gcs/gcs_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "origin/gcs/list_page.h"
#include "origin/prices.h"

namespace forebay::origin::gcs {
namespace {

/// Entries a page may hold (the store's own limit), and how long its JSON may be.
constexpr std::size_t page_entries = 1000;
constexpr std::size_t page_bytes = 16 * 1024 * 1024;

std::string name_of(const location& where) {
  std::string name = "gs://" + join_key(where.bucket, where.prefix);
  if (where.endpoint.origin != public_endpoint)
    name += fmt::format("?endpoint={}{}", where.endpoint.origin, where.endpoint.base_path);
  return name;
}

/// "generation=17" of a reader's query: that version of the object.
std::string generation_query(std::string_view query) {
  constexpr std::string_view name = "generation=";
  for (const std::string_view each : split(query, '&')) {
    if (each.starts_with(name) && parse_u64(each.substr(name.size()))) return std::string(each);
  }
  return {};
}

} // namespace

result<std::shared_ptr<source>> gcs_source::make(std::string_view url, const source_settings& settings) {
  auto where = parse_location(url);
  if (!where) return fail(std::move(where.error()));
  auto by = find_shown(*where, settings);
  if (!by) return fail(std::move(by.error()));
  return std::make_shared<gcs_source>(std::move(*where), std::move(*by), settings);
}

gcs_source::gcs_source(location where, shown by, const source_settings& settings)
    : http_source(name_of(where), by.scope, settings,
                  settings.egress_usd_per_gb >= 0 ? settings.egress_usd_per_gb
                                                  : list_price_usd_per_gb(where.endpoint.host, "")),
      where_(std::move(where)),
      shown_(std::move(by)),
      operator_named_(settings.operator_named) {}

identity gcs_source::identify(const std::string& key, const std::string& query) const {
  std::string name = join_key(where_.prefix, key);
  const std::string generation = generation_query(query);
  if (!generation.empty()) name += '\0' + generation; // no key holds a NUL
  return {"gcs", where_.endpoint.canonical, where_.bucket, std::move(name), shown_.scope, ""};
}

std::string gcs_source::object_url(const std::string& full_key, const std::string& query) const {
  return fmt::format("{}{}/{}/{}{}{}", where_.endpoint.origin, where_.endpoint.base_path, where_.bucket,
                     percent_encode(full_key, "/"), query.empty() ? "" : "?", query);
}

std::string gcs_source::public_url(const std::string& key) const {
  return shown_.scope == "anonymous" && !key.empty() ? object_url(join_key(where_.prefix, key), "") : std::string();
}

void gcs_source::finish_request(http::client_request& request) const {
  // A reader's own credentials and signature are not for the store; ours come instead.
  for (const char* each : {"Authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"})
    request.fields.remove(each);
  if (!where_.user_project.empty()) request.fields.set("x-goog-user-project", where_.user_project);
  request.policy_applies = !operator_named_;
}

net::task<result<read_answer>> gcs_source::attempt(std::shared_ptr<const read_request> asked, net::deadline until) {
  const auto self = std::static_pointer_cast<gcs_source>(shared_from_this());
  const std::string key = join_key(self->where_.prefix, asked->key);
  if (key.empty())
    co_return fail(error_kind::not_found, self->name(), "a bucket is no object: its empty key names nothing");
  std::function<http::client_request()> make = [self, asked, key] {
    http::client_request request = self->begin_request(*asked);
    request.url = self->object_url(key, generation_query(asked->query));
    self->finish_request(request);
    return request;
  };
  auto shown = self->shown_for(asked->token, self->shown_.by);
  auto done = co_await send_authorised(self, std::move(shown), std::move(make), until);
  if (!done) co_return fail(std::move(done.error()));
  auto answer = co_await self->conclude(asked, std::move(*done));
  co_return answer;
}

net::task<result<std::string>> gcs_source::list_text(std::string query, shown_token token,
                                                     std::shared_ptr<access_probe> probe, net::deadline until) {
  const auto self = std::static_pointer_cast<gcs_source>(shared_from_this());
  std::function<http::client_request()> make = [self, query] {
    http::client_request request;
    const store_endpoint& at = self->where_.endpoint;
    request.url = fmt::format("{}{}/storage/v1/b/{}/o?{}", at.origin, at.base_path, self->where_.bucket, query);
    request.fields.add("Accept-Encoding", "identity");
    self->announce(request.fields);
    self->finish_request(request);
    return request;
  };
  auto shown = self->shown_for(token, self->shown_.by);
  auto done = co_await send_authorised(self, std::move(shown), std::move(make), until);
  if (!done) co_return fail(std::move(done.error()));
  if (done->response.head.status != 200) {
    error failure = co_await self->read_failure(&*done, token, probe);
    co_return fail(std::move(failure));
  }
  self->door().settle(*done, nullptr);
  auto text = co_await read_whole(done->response.body.get(), page_bytes, self->name(), until);
  co_return text;
}

net::task<result<listing>> gcs_source::list(list_request asked) {
  const auto self = std::static_pointer_cast<gcs_source>(shared_from_this());
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  const std::string base = self->where_.prefix.empty() ? std::string() : self->where_.prefix + "/";
  const std::string whole_prefix = base + asked.prefix;
  const std::string after = asked.start_after.empty() ? std::string() : base + asked.start_after;
  const std::size_t most = std::max<std::size_t>(asked.max_entries, 1);
  listing found;
  std::string continuation = std::move(asked.continuation);
  for (;;) {
    const std::size_t room = most - found.entries.size();
    const std::string query =
        list_query({whole_prefix, asked.recursive, after, continuation, std::min(page_entries, room)});
    std::function<net::task<result<std::string>>()> once = [self, query, token = asked.token, probe = asked.probe,
                                                            until] {
      return self->list_text(query, token, probe, until);
    };
    auto text = co_await with_retries<std::string>(self, std::move(once), self->limits().attempts, until);
    if (!text) co_return fail(std::move(text.error()));
    auto page = parse_list_page(*text, self->name());
    if (!page) co_return fail(std::move(page.error()));
    if (page->entries.size() > room)
      co_return fail(error_kind::broken, self->name(), "its listing is longer than asked");
    for (list_entry& each : page->entries) {
      const bool marker = each.key.size() == whole_prefix.size();
      if (!each.key.starts_with(whole_prefix) || (marker && !asked.markers) || each.key <= after) continue;
      each.key.erase(0, base.size());
      found.entries.push_back(std::move(each));
    }
    if (!page->next.empty() && page->next == continuation)
      co_return fail(error_kind::broken, self->name(), "its listing repeats the same page");
    continuation = std::move(page->next);
    if (continuation.empty() || found.entries.size() >= most) {
      found.next = std::move(continuation);
      co_return found;
    }
  }
}

net::task<result<write_answer>> gcs_source::write(write_request asked) {
  const auto self = std::static_pointer_cast<gcs_source>(shared_from_this());
  if (asked.key.empty()) co_return fail(no_key_to_write(self->name()));
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  http::client_request request;
  request.method = asked.method;
  request.fields = std::move(asked.fields);
  request.url = self->object_url(join_key(self->where_.prefix, asked.key), asked.query);
  self->announce(request.fields);
  self->finish_request(request);
  request.upload = std::move(asked.body);
  request.upload_bytes = asked.length_bytes;
  auto answer = co_await send_write(self, self->shown_.by, std::move(request), until);
  co_return answer;
}

std::optional<bucket_and_key> recognise(std::string_view host, std::string_view encoded_path) {
  if (host != "storage.googleapis.com" || !encoded_path.starts_with('/')) return std::nullopt;
  encoded_path.remove_prefix(1);
  const std::size_t slash = encoded_path.find('/');
  if (slash == std::string_view::npos || slash < 3) return std::nullopt;
  const auto key = percent_decode(encoded_path.substr(slash + 1));
  if (!key || key->empty()) return std::nullopt;
  return bucket_and_key{std::string(encoded_path.substr(0, slash)), *key};
}

} // namespace forebay::origin::gcs
