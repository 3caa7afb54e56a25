#include "origin/azure/azure_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "http/date.h"
#include "origin/azure/list_page.h"
#include "origin/prices.h"

namespace forebay::origin::azure {
namespace {

/// The protocol that is spoken: what Azurite and all clouds of Azure know.
constexpr std::string_view protocol_version = "2021-12-02";
/// Entries a page may hold (the store's own limit), and how long its XML may be.
constexpr std::size_t page_entries = 5000;
constexpr std::size_t page_bytes = 32 * 1024 * 1024;

std::string public_origin(const location& where) {
  return fmt::format("https://{}.blob.core.windows.net", where.account);
}

std::string name_of(const location& where) {
  std::string name = fmt::format("az://{}/{}", where.account, join_key(where.container, where.prefix));
  if (where.endpoint.origin != public_origin(where))
    name += fmt::format("?endpoint={}{}", where.endpoint.origin, where.endpoint.base_path);
  return name;
}

/// "snapshot=..." or "versionid=..." of a reader's query: that version of the object.
std::string version_query(std::string_view query) {
  for (const std::string_view each : split(query, '&')) {
    const std::size_t equals = each.find('=');
    if (equals == std::string_view::npos || equals + 1 == each.size()) continue;
    const std::string name = to_lower(each.substr(0, equals));
    const auto value = percent_decode(each.substr(equals + 1));
    if ((name == "snapshot" || name == "versionid") && value) return name + "=" + percent_encode(*value);
  }
  return {};
}

} // namespace

result<std::shared_ptr<source>> azure_source::make(std::string_view url, const source_settings& settings) {
  auto where = parse_location(url);
  if (!where) return fail(std::move(where.error()));
  auto by = find_shown(*where, settings);
  if (!by) return fail(std::move(by.error()));
  return std::make_shared<azure_source>(std::move(*where), std::move(*by), settings);
}

azure_source::azure_source(location where, shown by, const source_settings& settings)
    : http_source(name_of(where), by.scope, settings,
                  settings.egress_usd_per_gb >= 0 ? settings.egress_usd_per_gb
                                                  : list_price_usd_per_gb(where.endpoint.host, "")),
      where_(std::move(where)),
      shown_(std::move(by)),
      operator_named_(settings.operator_named) {}

identity azure_source::identify(const std::string& key, const std::string& query) const {
  std::string name = join_key(where_.prefix, key);
  const std::string version = version_query(query);
  if (!version.empty()) name += '\0' + version; // no key holds a NUL
  return {"azure", where_.endpoint.canonical, where_.container, std::move(name), shown_.scope, ""};
}

std::string azure_source::url_of(const std::string& full_key, const std::string& query) const {
  const std::string& base = where_.endpoint.base_path;
  return fmt::format("{}{}/{}{}{}{}{}", where_.endpoint.origin, base, where_.container, full_key.empty() ? "" : "/",
                     percent_encode(full_key, "/"), query.empty() ? "" : "?", query);
}

std::string azure_source::public_url(const std::string& key) const {
  return shown_.scope == "anonymous" && !key.empty() ? url_of(join_key(where_.prefix, key), "") : std::string();
}

void azure_source::finish_request(http::client_request& request) const {
  // A reader's own credentials and date are not for the store; ours come instead.
  for (const char* each : {"Authorization", "x-ms-date", "Date"}) request.fields.remove(each);
  request.fields.set("x-ms-version", protocol_version);
  request.fields.set("x-ms-date", http::format_date(system_clock().wall())); // tokens want one
  request.policy_applies = !operator_named_;
}

net::task<result<read_answer>> azure_source::attempt(std::shared_ptr<const read_request> asked, net::deadline until) {
  const auto self = std::static_pointer_cast<azure_source>(shared_from_this());
  const std::string key = join_key(self->where_.prefix, asked->key);
  if (key.empty())
    co_return fail(error_kind::not_found, self->name(), "a container is no object: its empty key names nothing");
  std::function<http::client_request()> make = [self, asked, key] {
    http::client_request request = self->begin_request(*asked);
    request.url = self->url_of(key, version_query(asked->query));
    self->finish_request(request);
    return request;
  };
  auto shown = self->shown_for(asked->token, self->shown_.by);
  auto done = co_await send_authorised(self, std::move(shown), std::move(make), until);
  if (!done) co_return fail(std::move(done.error()));
  auto answer = co_await self->conclude(asked, std::move(*done));
  co_return answer;
}

net::task<result<std::string>> azure_source::list_text(std::string query, shown_token token,
                                                       std::shared_ptr<access_probe> probe, net::deadline until) {
  const auto self = std::static_pointer_cast<azure_source>(shared_from_this());
  std::function<http::client_request()> make = [self, query] {
    http::client_request request;
    request.url = self->url_of("", query);
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

net::task<result<listing>> azure_source::list(list_request asked) {
  const auto self = std::static_pointer_cast<azure_source>(shared_from_this());
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  const std::string base = self->where_.prefix.empty() ? std::string() : self->where_.prefix + "/";
  const std::string whole_prefix = base + asked.prefix;
  // The store cannot begin behind a key: pages before it are read and skipped.
  const std::string after = asked.start_after.empty() ? std::string() : base + asked.start_after;
  const std::size_t most = std::max<std::size_t>(asked.max_entries, 1);
  listing found;
  std::string continuation = std::move(asked.continuation);
  for (;;) {
    const std::size_t room = std::min(page_entries, most - found.entries.size());
    const std::string query = list_query({whole_prefix, asked.recursive, continuation, room});
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

net::task<result<write_answer>> azure_source::write(write_request asked) {
  const auto self = std::static_pointer_cast<azure_source>(shared_from_this());
  if (asked.key.empty()) co_return fail(no_key_to_write(self->name()));
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  if (asked.body != nullptr && !asked.length_bytes) {
    co_return fail(error_kind::unsupported, self->name(), "Azure takes no body of unknown length; send Content-Length");
  }
  http::client_request request;
  request.method = asked.method;
  request.fields = std::move(asked.fields);
  request.url = self->url_of(join_key(self->where_.prefix, asked.key), asked.query);
  self->announce(request.fields);
  self->finish_request(request);
  // Who puts an object as to any web server means a block blob.
  if (asked.method == "PUT" && asked.query.empty() && !request.fields.has("x-ms-blob-type"))
    request.fields.add("x-ms-blob-type", "BlockBlob");
  request.upload = std::move(asked.body);
  request.upload_bytes = asked.length_bytes;
  auto answer = co_await send_write(self, self->shown_.by, std::move(request), until);
  co_return answer;
}

std::optional<container_and_key> recognise(std::string_view host, std::string_view encoded_path) {
  constexpr std::string_view suffix = ".blob.core.windows.net";
  if (!host.ends_with(suffix) || host.substr(0, host.size() - suffix.size()).find('.') != std::string_view::npos)
    return std::nullopt;
  if (!encoded_path.starts_with('/')) return std::nullopt;
  encoded_path.remove_prefix(1);
  const std::size_t slash = encoded_path.find('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt; // of the root container
  const auto container = percent_decode(encoded_path.substr(0, slash));
  const auto key = percent_decode(encoded_path.substr(slash + 1));
  if (!container || !key || key->empty()) return std::nullopt;
  return container_and_key{*container, *key};
}

} // namespace forebay::origin::azure
