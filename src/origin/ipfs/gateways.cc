#include "origin/ipfs/gateways.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>

#include "base/log.h"
#include "http/url.h"
#include "origin/answer.h"
#include "origin/http_source.h"
#include "origin/redirect.h"

namespace forebay::origin::ipfs {
namespace {

metrics::counter& refused_counter(const std::string& gateway) {
  const std::array<metrics::label, 1> of = {metrics::label{"origin", gateway}};
  return metrics::global().get_counter("forebay_ipfs_blocks_refused_total",
                                       "Blocks of each IPFS gateway that were not what their CID names.", of);
}

std::int64_t steady_now() { return system_clock().steady().time_since_epoch().count(); }

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

} // namespace

result<void> gateways::check(const std::vector<std::string>& urls) {
  for (const std::string& each : urls) {
    const auto parts = http::parse_url(each);
    const bool web = parts && (parts->scheme == "http" || parts->scheme == "https") && !parts->host.empty();
    if (!web || parts->credentials || !parts->query.empty()) {
      return fail(error_kind::invalid_input, "IPFS gateway",
                  "a gateway is https://host[/prefix], without user and query");
    }
  }
  return {};
}

std::shared_ptr<gateways> gateways::find(const std::vector<std::string>& urls, const source_settings& settings) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::weak_ptr<gateways>> known;
  std::string key;
  for (const std::string& each : urls) key += each + "\n";
  const std::lock_guard lock(mutex);
  auto found = known[key].lock();
  if (!found) known[key] = found = std::make_shared<gateways>(urls, settings);
  return found;
}

gateways::gateways(const std::vector<std::string>& urls, const source_settings& settings)
    : limits_(settings.limits), node_name_(settings.node_name), remembered_(settings.limits.ipfs_remembered_bytes) {
  for (const std::string& each : urls) {
    auto made = std::make_unique<gateway>();
    made->url = without_slash(each);
    made->door = gate::find(made->url, "anonymous", limits_);
    made->refused = &refused_counter(made->url);
    list_.push_back(std::move(made));
  }
}

void gateways::leave_alone(gateway& one, const cid& name) {
  one.refused->add();
  one.left_alone_until = steady_now() + std::chrono::nanoseconds(liar_pause).count();
  log::warn("origin", "{} sent other bytes than {} names and is left alone for {} s", one.url, name.to_string(),
            liar_pause.count());
}

net::task<result<exchange>> gateways::ask(gateway* from, std::string url, net::deadline until) {
  const auto self = shared_from_this();
  for (unsigned hops = 0;; ++hops) {
    http::client_request request;
    request.url = url;
    request.fields.add("Accept", "application/vnd.ipld.raw");
    request.fields.add("Accept-Encoding", "identity");
    announce_node(request.fields, self->node_name_);
    // The operator named the gateway; where it sends us is not the operator's word.
    request.policy_applies = hops > 0;
    auto done = co_await from->door->perform(std::move(request), until);
    if (!done || !is_redirect(done->response.head)) co_return done;
    from->door->settle(*done, nullptr);
    if (hops == self->limits_.redirects) {
      co_return fail(error_kind::broken, from->url, fmt::format("it redirects more than {} times", hops));
    }
    auto next = next_hop(url, done->response.head, from->url);
    if (!next) co_return fail(std::move(next.error()));
    url = std::move(*next);
  }
}

net::task<gateways::fetched> gateways::fetch(gateway* from, cid name, net::deadline until) {
  const auto self = shared_from_this();
  std::string url = fmt::format("{}/ipfs/{}?format=raw", from->url, name.to_string());
  auto done = co_await self->ask(from, std::move(url), until);
  if (!done) co_return fail(std::move(done.error()));
  const http::response_head& head = done->response.head;
  if (head.status != 200) {
    error failure = classify_status(head.status, head.fields, {}, from->url, done->received);
    from->door->settle(*done, &failure);
    co_return fail(std::move(failure));
  }
  from->door->settle(*done, nullptr);
  auto text = co_await read_whole(done->response.body.get(), block_bytes_max, from->url, until);
  const bool longer = !text && text.error().kind == error_kind::exhausted;
  if (!text && !longer) co_return fail(std::move(text.error()));
  if (longer || !name.names(*text)) {
    self->leave_alone(*from, name);
    co_return fail(error_kind::broken, from->url, "it sent other bytes than the CID names");
  }
  co_return std::make_shared<const std::string>(std::move(*text));
}

net::task<gateways::fetched> gateways::ask_all(cid name, net::deadline until) {
  const auto self = shared_from_this();
  error last{error_kind::unreachable, "IPFS gateways",
             "all of them are left alone, as they sent other bytes than CIDs name"};
  // Nobody waits for the pause of one gateway while another one may answer.
  const auto lies = [](const auto& each) { return each->left_alone_until.load() > steady_now(); };
  const auto pauses = [](const auto& each) { return each->door->pause().left().count() > 0; };
  const bool one_is_free =
      std::ranges::any_of(self->list_, [&](const auto& each) { return !lies(each) && !pauses(each); });
  for (const auto& each : self->list_) {
    if (lies(each) || (one_is_free && pauses(each))) continue;
    auto got = co_await self->fetch(each.get(), name, until);
    if (got) co_return got;
    each->door->count_error(got.error());
    // Of several failures one that may pass says most: another attempt is worth it.
    const bool tells_more = got.error().retryable || !last.retryable;
    if (tells_more) last = std::move(got.error());
    if (last.kind == error_kind::cancelled || until.passed()) break;
  }
  co_return fail(std::move(last));
}

net::task<gateways::fetched> gateways::block(cid name, net::deadline until) {
  const auto self = shared_from_this();
  if (name.hash == hash_identity) co_return std::make_shared<const std::string>(name.digest);
  const std::string key = name.to_string();
  if (auto known = self->remembered_.find(key)) co_return known;
  for (unsigned attempt = 0;; ++attempt) {
    auto got = co_await self->ask_all(name, until);
    if (got) {
      if (name.codec == codec_dag_pb) self->remembered_.keep(key, *got);
      co_return got;
    }
    error last = std::move(got.error());
    const auto pause = backoff(attempt, self->limits_) + last.retry_after.value_or(std::chrono::seconds(0));
    const bool in_time = std::chrono::steady_clock::now() + pause < until.at;
    if (last.retryable && attempt + 1 < self->limits_.attempts && in_time) {
      co_await net::sleep_for(std::chrono::duration_cast<std::chrono::milliseconds>(pause));
      continue;
    }
    // What one gateway does not have, or does not give, may be elsewhere: no absence follows.
    const bool says_little = last.kind == error_kind::not_found || last.kind == error_kind::gone ||
                             last.kind == error_kind::forbidden || last.kind == error_kind::unauthorised ||
                             last.kind == error_kind::invalid_input;
    if (says_little) last.kind = error_kind::unreachable;
    last.context = fmt::format("no gateway gave the block {} (the last one: {})", key, last.context);
    co_return fail(std::move(last));
  }
}

} // namespace forebay::origin::ipfs
