#include "origin/web/web_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/hash.h"
#include "base/text.h"
#include "origin/azure/azure_source.h"
#include "origin/gcs/gcs_source.h"
#include "origin/listing_walk.h"
#include "origin/prices.h"
#include "origin/s3/endpoint.h"
#include "origin/web/authorization.h"
#include "origin/web/index_page.h"

namespace forebay::origin::web {
namespace {

/// An index page longer than this is not read on.
constexpr std::size_t index_bytes = 16 * 1024 * 1024;
/// How deep a recursive listing goes: pages may link in circles through redirects.
constexpr std::size_t directory_levels = 64;

std::string name_of(const http::url_parts& base) {
  std::string path = base.path;
  while (path.ends_with('/')) path.pop_back();
  const bool v6 = base.host.find(':') != std::string::npos;
  const bool usual = (base.scheme == "https" && base.port == 443) || (base.scheme == "http" && base.port == 80);
  const std::string host = v6 ? "[" + base.host + "]" : base.host;
  return fmt::format("{}://{}{}{}", base.scheme, host, usual ? "" : fmt::format(":{}", base.port), path);
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// Bytes of a raw query that cannot stand in a request line are encoded; everything else is the reader's word.
std::string safe_query(std::string_view raw) {
  std::string out;
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte > 0x20 && byte < 0x7f && c != '#' && c != '"' && c != '<' && c != '>';
    if (plain)
      out += c;
    else
      out += percent_encode(std::string_view(&c, 1));
  }
  return out;
}

result<std::string> credentials_name(std::string_view url, std::string_view query) {
  if (query.empty()) return std::string();
  constexpr std::string_view parameter = "credentials=";
  const auto value = query.starts_with(parameter) ? percent_decode(query.substr(parameter.size())) : std::nullopt;
  if (!value || value->empty() || value->find('&') != std::string::npos) {
    return fail(error_kind::invalid_input, std::string(url),
                fmt::format("found \"?{}\", expected ?credentials=<name> or no query", query));
  }
  return *value;
}

} // namespace

std::string encode_path(std::string_view key) { return percent_encode(key, "/!$&'()*,;=:@"); }

result<std::shared_ptr<source>> web_source::make(std::string_view url, const source_settings& settings) {
  auto base = http::parse_url(url);
  if (!base) return fail(error_kind::invalid_input, std::string(url), base.error().context);
  if (base->credentials) {
    return fail(error_kind::invalid_input, "web origin",
                "its URL holds a user or password; name [[credentials]] with ?credentials= instead");
  }
  if ((base->scheme != "http" && base->scheme != "https") || base->host.empty()) {
    return fail(error_kind::invalid_input, std::string(url), "expected http[s]://host[:port][/prefix]");
  }
  auto name = credentials_name(url, base->query);
  if (!name) return fail(std::move(name.error()));
  auto shown = find_authorization(*name, settings);
  if (!shown) return fail(std::move(shown.error()));
  return std::make_shared<web_source>(std::move(*base), shown->field, shown->scope, settings);
}

web_source::web_source(http::url_parts base, std::string authorization, std::string scope,
                       const source_settings& settings)
    : http_source(name_of(base), scope, settings,
                  settings.egress_usd_per_gb >= 0 ? settings.egress_usd_per_gb : list_price_usd_per_gb(base.host, "")),
      base_(std::move(base)),
      prefix_(base_.path),
      directory_(prefix_.ends_with('/')),
      authorization_(std::move(authorization)),
      scope_(std::move(scope)),
      operator_named_(settings.operator_named) {
  while (prefix_.ends_with('/')) prefix_.pop_back();
}

std::string web_source::target_of(const std::string& key, const std::string& query) const {
  std::string target = prefix_;
  const bool root = target.empty() && key.empty();
  if (!key.empty() || directory_ || root) target += "/" + encode_path(key);
  if (!query.empty()) target += "?" + safe_query(query);
  return target;
}

identity web_source::identify(const std::string& key, const std::string& query) const {
  const std::string target = target_of(key, query);
  if (query.empty() && base_.scheme == "https" && scope_ == "anonymous") {
    if (const auto known = s3::recognise_aws(base_.host, target)) {
      return {"s3", "https://s3.amazonaws.com:443", known->bucket, known->key, scope_, ""};
    }
    if (const auto known = gcs::recognise(base_.host, target))
      return {"gcs", base_.authority(), known->bucket, known->key, scope_, ""};
    if (const auto known = azure::recognise(base_.host, target))
      return {"azure", base_.authority(), known->container, known->key, scope_, ""};
  }
  return {"web", base_.authority(), "", target, scope_, ""};
}

void web_source::address_request(http::client_request& request, const std::string& url) const {
  request.url = url;
  const auto parts = http::parse_url(url);
  const bool home = parts && parts->authority() == base_.authority();
  request.policy_applies = !(home && operator_named_);
  request.fields.remove("Authorization"); // a reader's own is the front's business, and never for other hosts
  if (home && !authorization_.empty()) request.fields.add("Authorization", authorization_);
}

result<std::string> web_source::next_hop(const std::string& from, const http::response_head& head) const {
  const auto location = head.fields.get("Location");
  if (!location) return fail(error_kind::broken, name(), fmt::format("it answered {} without Location", head.status));
  auto resolved = http::resolve_reference(from, *location);
  const auto parts = resolved ? http::parse_url(*resolved) : tl::unexpected<error>(resolved.error());
  if (!parts || (parts->scheme != "http" && parts->scheme != "https")) {
    return fail(error_kind::broken, name(),
                fmt::format("it redirects to what is no http(s) URL: \"{}\"", location->substr(0, 200)));
  }
  if (from.starts_with("https:") && parts->scheme == "http") {
    return fail(error_kind::forbidden, name(),
                fmt::format("it redirects from https to http ({}), which is not followed", parts->host));
  }
  return resolved;
}

net::task<result<read_answer>> web_source::follow(std::shared_ptr<const read_request> asked, std::string url,
                                                  net::deadline until, std::string* final_url) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  for (unsigned hops = 0;; ++hops) {
    http::client_request request = self->begin_request(*asked);
    self->address_request(request, url);
    auto done = co_await self->door().perform(std::move(request), until);
    if (!done) co_return fail(std::move(done.error()));
    const bool elsewhere = is_redirect(done->response.head.status) && done->response.head.fields.has("Location");
    if (!elsewhere) {
      if (final_url != nullptr) *final_url = url;
      auto answer = co_await self->conclude(asked, std::move(*done));
      co_return answer;
    }
    self->door().settle(*done, nullptr);
    if (hops == self->limits().redirects) {
      co_return fail(error_kind::broken, self->name(), fmt::format("it redirects more than {} times", hops));
    }
    auto next = self->next_hop(url, done->response.head);
    if (!next) co_return fail(std::move(next.error()));
    co_await discard(std::move(done->response.body));
    url = std::move(*next);
  }
}

net::task<result<read_answer>> web_source::attempt(std::shared_ptr<const read_request> asked, net::deadline until) {
  std::string url = base_.authority() + target_of(asked->key, asked->query);
  return follow(std::move(asked), std::move(url), until, nullptr);
}

net::task<result<std::vector<list_entry>>> web_source::list_directory(std::string key, net::deadline until) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  const auto asked = std::make_shared<read_request>();
  asked->fields.add("Accept", "text/html");
  std::string url;
  std::string directory = self->base_.authority() + self->prefix_ + "/" + encode_path(key);
  auto answer = co_await self->follow(asked, std::move(directory), until, &url);
  if (!answer) co_return fail(std::move(answer.error()));
  const std::string type = to_lower(answer->fields.get("Content-Type").value_or(""));
  if (answer->body == nullptr || answer->status != 200 || !type.starts_with("text/html")) {
    co_return fail(error_kind::unsupported, self->name(), "it lists its directories on no page that can be read");
  }
  auto text = co_await read_whole(answer->body.get(), index_bytes, self->name());
  if (!text) co_return fail(std::move(text.error()));
  auto entries = parse_index_page(*text, url);
  if (!entries) {
    co_return fail(error_kind::unsupported, self->name(), "it lists its directories on no page that can be read");
  }
  co_return std::move(*entries);
}

net::task<result<listing>> web_source::list(list_request asked) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  listing_walk walk(std::move(asked), directory_levels);
  while (auto directory = walk.next_directory()) {
    std::function<net::task<result<std::vector<list_entry>>>()> once = [self, key = *directory, until] {
      return self->list_directory(key, until);
    };
    auto entries =
        co_await with_retries<std::vector<list_entry>>(self, std::move(once), self->limits().attempts, until);
    if (!entries) co_return fail(std::move(entries.error()));
    for (list_entry& each : *entries) each.key.insert(0, *directory);
    walk.found(std::move(*entries));
  }
  co_return walk.take();
}

net::task<result<write_answer>> web_source::write(write_request asked) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  http::client_request request;
  request.method = asked.method;
  request.fields = std::move(asked.fields);
  self->announce(request.fields);
  self->address_request(request, self->base_.authority() + self->target_of(asked.key, asked.query));
  request.upload = std::move(asked.body);
  request.upload_bytes = asked.length_bytes;
  auto answer = co_await send_write(self, nullptr, std::move(request), until);
  co_return answer;
}

} // namespace forebay::origin::web
