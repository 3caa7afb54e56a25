#include "origin/web/web_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/key_segments.h"
#include "base/text.h"
#include "net/offload.h"
#include "origin/azure/azure_source.h"
#include "origin/gcs/gcs_source.h"
#include "origin/listing_walk.h"
#include "origin/prices.h"
#include "origin/redirect.h"
#include "origin/s3/endpoint.h"
#include "origin/web/index_page.h"
#include "origin/web/thredds_catalog.h"

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

error not_let_in(const std::string& source, const std::string& how) {
  return {error_kind::unauthorised, source,
          fmt::format("the login host did not let us in ({}): the credentials are wrong, or their owner has not "
                      "admitted this data centre's application",
                      how)};
}

error astray(const std::string& source) {
  return {error_kind::invalid_input, source, "the key holds a NUL byte, or a \".\" or \"..\" segment"};
}
template <class T>
net::task<result<T>> refuse_key(std::string source) {
  co_return fail(astray(source));
}

/// Pages are parsed here: one of many megabytes would hold the loop, and all readers on it, for its time.
net::worker_pool& page_readers() {
  static net::worker_pool pool(1, 64);
  return pool;
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
  auto wanted = parse_options(base->query);
  if (!wanted) return fail(std::move(wanted.error()));
  auto shown = visitor::make(*base, *wanted, settings);
  if (!shown) return fail(std::move(shown.error()));
  return std::make_shared<web_source>(std::move(*base), std::move(*shown), settings);
}

web_source::web_source(http::url_parts base, std::shared_ptr<const visitor> shown, const source_settings& settings)
    : http_source(name_of(base), shown->scope(), settings,
                  settings.egress_usd_per_gb >= 0 ? settings.egress_usd_per_gb : list_price_usd_per_gb(base.host, "")),
      base_(std::move(base)),
      prefix_(base_.path),
      directory_(prefix_.ends_with('/')),
      shown_(std::move(shown)),
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
  if (query.empty() && base_.scheme == "https" && shown_->scope() == "anonymous") {
    const auto at_aws = base_.port == 443 ? s3::recognise_aws(base_.host, target) : std::nullopt;
    if (at_aws) return {"s3", at_aws->endpoint, at_aws->bucket, at_aws->key, shown_->scope(), ""};
    if (const auto known = gcs::recognise(base_.host, target))
      return {"gcs", base_.authority(), known->bucket, known->key, shown_->scope(), ""};
    if (const auto known = azure::recognise(base_.host, target))
      return {"azure", base_.authority(), known->container, known->key, shown_->scope(), ""};
  }
  return {"web", base_.authority(), "", target, shown_->scope(), ""};
}

std::string web_source::public_url(const std::string& key) const {
  const bool open = shown_->scope() == "anonymous" && !leads_astray(key) && !key.empty();
  return open ? name() + "/" + encode_path(key) : std::string();
}

void web_source::address_request(http::client_request& request, const std::string& url,
                                 const reader_token* token) const {
  request.url = url;
  const auto parts = http::parse_url(url);
  request.policy_applies = !(parts && operator_named_ && (shown_->is_home(*parts) || shown_->is_login(*parts)));
  if (parts) shown_->dress(request, *parts, token);
}

std::optional<error> web_source::refused_hop(const read_request& asked, const std::string& from,
                                             const std::string& next) const {
  if (!shown_->carries_tokens()) return std::nullopt;
  const auto there = http::parse_url(next);
  if (there && shown_->is_login(*there))
    return error{error_kind::unauthorised, name(), "it asks the reader to sign in: no token that it takes was shown"};
  // A directory's own name; and where the login hosts are known, what else it names is a signed URL of the object.
  const bool answers = next == from + "/" || shown_->signs_in();
  if (asked.probe == nullptr || answers) return std::nullopt;
  return error{error_kind::forbidden, name(),
               fmt::format("it sends the reader to {}, which is no word on whether he may read; if it is a signed URL, "
                           "the origin's URL has to name its login hosts with ?login=",
                           there ? there->authority() : "nowhere")};
}

net::task<result<read_answer>> web_source::follow(std::shared_ptr<const read_request> asked, std::string url,
                                                  net::deadline until, std::string* final_url) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  const std::string begun_at = url;
  const std::uint64_t sessions = self->shown_->sessions();
  permit signing_in;
  for (unsigned hops = 0;; ++hops) {
    http::client_request request = self->begin_request(*asked);
    self->address_request(request, url, asked->token.get());
    auto done = co_await self->door().perform(std::move(request), until);
    if (!done) co_return fail(std::move(done.error()));
    const auto here = http::parse_url(url);
    if (here) self->shown_->learn(*here, done->response.head.fields);
    if (!is_redirect(done->response.head)) {
      if (final_url != nullptr) *final_url = url;
      const bool at_login = here && self->shown_->is_login(*here);
      if (signing_in && !at_login) self->shown_->signed_in();
      auto answer = co_await self->conclude_at(asked, std::move(*done), at_login, hops > 0);
      co_return answer;
    }
    self->door().settle(*done, nullptr);
    if (hops == self->limits().redirects) {
      co_return fail(error_kind::broken, self->name(), fmt::format("it redirects more than {} times", hops));
    }
    auto next = next_hop(url, done->response.head, self->name());
    if (!next) co_return fail(std::move(next.error()));
    auto refused = self->refused_hop(*asked, url, *next);
    co_await discard(std::move(done->response.body));
    if (refused) co_return fail(std::move(*refused));
    url = std::move(*next);
    const auto there = http::parse_url(url);
    if (signing_in || !there || !self->shown_->is_login(*there)) continue;
    signing_in = co_await self->shown_->turn(until);
    if (!signing_in) co_return fail(error_kind::timeout, self->name(), "another read did not sign in in time", true);
    if (self->shown_->failed_just_now()) co_return fail(not_let_in(self->name(), "a moment ago"));
    if (self->shown_->sessions() == sessions) continue;
    url = begun_at; // somebody has signed in meanwhile
    signing_in.give_back();
  }
}

net::task<result<read_answer>> web_source::conclude_at(std::shared_ptr<const read_request> asked, exchange done,
                                                       bool at_login, bool redirected) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  if (at_login) {
    // Whatever its page says, it is not the object.
    const unsigned status = done.response.head.status;
    const bool not_now = status >= 500 || status == 429 || status == 408; // it says nothing of who we are
    if (not_now) {
      error failure = classify_status(status, done.response.head.fields, {}, self->name(), done.received);
      failure.context = fmt::format("the login host is not well: {}", failure.context);
      self->door().settle(done, &failure);
      co_return fail(std::move(failure));
    }
    self->shown_->login_failed();
    self->door().settle(done, nullptr);
    co_return fail(not_let_in(self->name(), fmt::format("it answered {}", done.response.head.status)));
  }
  auto answer = co_await self->conclude(asked, std::move(done));
  // The node's session or one reader's, which is not for others.
  if (answer && (self->shown_->signs_in() || self->shown_->carries_tokens())) answer->fields.remove("Set-Cookie");
  if (answer && redirected) answer->fields.remove("Content-Location"); // it may be a signed URL
  co_return answer;
}

net::task<result<read_answer>> web_source::head_by_get(std::shared_ptr<const read_request> asked, std::string url,
                                                       net::deadline until) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  const auto probe = std::make_shared<read_request>(*asked);
  probe->head_only = false;
  probe->range = http::range_spec{0, 0};
  auto answer = co_await self->follow(probe, url, until, nullptr);
  if (!answer && unsatisfied_length(answer.error()) == std::uint64_t{0}) { // an empty object has no first byte
    auto head = co_await self->follow(asked, std::move(url), until, nullptr);
    co_return head;
  }
  if (!answer) co_return answer;
  if (answer->status == 206) answer->status = 200;
  answer->range.reset();
  answer->body.reset();
  for (const char* of_the_part : {"Content-Range", "Content-Length"}) answer->fields.remove(of_the_part);
  co_return answer;
}

net::task<result<read_answer>> web_source::attempt(std::shared_ptr<const read_request> asked, net::deadline until) {
  if (leads_astray(asked->key)) return refuse_key<read_answer>(name());
  std::string url = base_.authority() + target_of(asked->key, asked->query);
  if (asked->head_only && shown_->signs_in()) return head_by_get(std::move(asked), std::move(url), until);
  return follow(std::move(asked), std::move(url), until, nullptr);
}

net::task<result<std::vector<list_entry>>> web_source::list_directory(std::string key, shown_token token,
                                                                      net::deadline until) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  const auto asked = std::make_shared<read_request>();
  asked->token = std::move(token);
  std::string url;
  if (leads_astray(key)) co_return fail(astray(self->name()));
  std::string directory = self->base_.authority() + self->prefix_ + "/" + encode_path(key);
  const auto catalogue = thredds_catalog_url(directory);
  asked->fields.add("Accept", catalogue ? "application/xml" : "text/html");
  std::string page = catalogue.value_or(directory);
  auto answer = co_await self->follow(asked, std::move(page), until, &url);
  if (!answer) co_return fail(std::move(answer.error()));
  const std::string type = to_lower(answer->fields.get("Content-Type").value_or(""));
  const bool readable = catalogue ? type.find("xml") != std::string::npos : type.starts_with("text/html");
  const error unlisted{error_kind::unsupported, self->name(), "it lists its directories on no page that can be read"};
  if (answer->body == nullptr || answer->status != 200 || !readable) co_return fail(unlisted);
  auto text = co_await read_whole(answer->body.get(), index_bytes, self->name(), until);
  if (!text) co_return fail(std::move(text.error()));
  const bool is_catalogue = catalogue.has_value();
  std::function<result<std::vector<list_entry>>()> parse = [page_text = std::move(*text), url, is_catalogue, unlisted] {
    auto entries = is_catalogue ? parse_thredds_catalog(page_text) : parse_index_page(page_text, url);
    if (!entries) return result<std::vector<list_entry>>(fail(unlisted));
    return result<std::vector<list_entry>>(std::move(*entries));
  };
  auto parsed = co_await net::offload(page_readers(), until, std::move(parse));
  co_return parsed;
}

net::task<result<listing>> web_source::list(list_request asked) {
  const auto self = std::static_pointer_cast<web_source>(shared_from_this());
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  const shown_token token = asked.token;
  listing_walk walk(std::move(asked), directory_levels);
  while (auto directory = walk.next_directory()) {
    std::function<net::task<result<std::vector<list_entry>>>()> once = [self, key = *directory, token, until] {
      return self->list_directory(key, token, until);
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
  if (leads_astray(asked.key)) co_return fail(astray(self->name()));
  const net::deadline until = deadline_or(asked.until, self->limits().read_timeout);
  http::client_request request;
  request.method = asked.method;
  request.fields = std::move(asked.fields);
  self->announce(request.fields);
  self->address_request(request, self->base_.authority() + self->target_of(asked.key, asked.query), nullptr);
  request.upload = std::move(asked.body);
  request.upload_bytes = asked.length_bytes;
  request.on_interim = std::move(asked.on_interim);
  auto answer = co_await send_write(self, nullptr, std::move(request), until);
  co_return answer;
}

} // namespace forebay::origin::web
