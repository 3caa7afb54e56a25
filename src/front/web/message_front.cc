#include "front/web/message_front.h"

#include "base/limit_counter.h"
#include "base/text.h"
#include "cache/messages/message_cache.h"
#include "front/answer.h"
#include "front/client_address.h"
#include "front/read.h"
#include "http/range_demand.h"
#include "http/structured_field.h"
#include "http/via.h"

namespace forebay::front {
namespace {

/// RFC 9211 §2.7. A query may hold a signature, and the names of a private namespace are nobody's business.
std::string key_parameter(const http::request& asked) {
  const std::string& target = asked.head.target;
  const auto* const space = exchange_notes::of(asked)->space.get();
  const bool told = space != nullptr && space->is_public && target.starts_with('/') && target.find('?') == target.npos;
  return told ? "; key=" + http::structured::format_string(target) : std::string();
}

} // namespace

bool reaches_origin(std::string_view method, const space::name_space& space) noexcept {
  if (method == "GET" || method == "HEAD") return true;
  // Neither goes through a cache: one makes tunnels, the other shows what other fields a request carries.
  if (method == "CONNECT" || method == "TRACE") return false;
  return space.write;
}

net::task<result<http::response>> answer_message(cache::content_cache& cache, http::request& asked,
                                                 space::placement where) {
  exchange_notes& notes = *exchange_notes::of(asked);
  notes.looked_up = true;
  notes.report.begin_again();
  cache::messages::message_request wanted;
  wanted.where = std::move(where);
  wanted.method = asked.head.method;
  wanted.version = asked.head.version;
  wanted.fields = asked.head.fields;
  wanted.host = to_lower(asked.head.fields.get("host").value_or(""));
  const bool reads = wanted.method == "GET" || wanted.method == "HEAD";
  // The content of a GET means nothing (RFC 9110 §9.3.1), and no cache key tells it: it goes no further.
  if (!reads) {
    wanted.body = std::move(asked.body);
    if (const auto length = wanted.fields.get("content-length")) wanted.body_bytes = parse_u64(*length);
  }
  wanted.ranges = asked_ranges(asked, notes.settings->ranges);
  if (const auto range = wanted.fields.get("range"); range && wanted.method == "GET") {
    const bool overlapping = http::names_overlapping_ranges(*range);
    if (overlapping) metrics::refused_by("ranges").add();
    wanted.keeps_ranges = overlapping || http::names_too_many_ranges(*range, notes.settings->ranges);
  }
  wanted.boundary = make_boundary(asked.id);
  wanted.client = notes.account;
  wanted.from_trusted_proxy = is_in_one(notes.settings->trusted_proxies, asked.peer.address);
  wanted.connection = asked.connection;
  wanted.report = &notes.report;
  wanted.write_until = net::deadline::after(notes.settings->write_timeout);
  wanted.on_interim = asked.send_interim;
  auto answer = co_await cache.messages().exchange(std::move(wanted));
  if (!answer) co_return fail(answer.error());
  if (answer->body != nullptr) {
    auto first = co_await cache::opened::begin(std::move(answer->body));
    if (!first) co_return fail(first.error());
    answer->body = std::move(*first);
  }
  co_return std::move(*answer);
}

void add_message_fields(http::response_head& answer, const http::request& asked, const std::string& cache_status) {
  http::header_table& fields = answer.fields;
  fields.add("Via", http::via_member(answer.version));
  if (!cache_status.empty()) fields.add("Cache-Status", cache_status + key_parameter(asked));
  fields.set("X-Request-Id", asked.id);
}

} // namespace forebay::front
