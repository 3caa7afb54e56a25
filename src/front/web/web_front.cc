#include "front/web/web_front.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "front/client_address.h"
#include "front/web/answer.h"
#include "front/web/propfind.h"
#include "front/web/pulled_body.h"
#include "front/web/read.h"

namespace forebay::front {
namespace {

constexpr std::string_view usual_admin_address = "127.0.0.1:8081 by default";

/// How often an object that changes under our feet is opened before the reader is told.
constexpr unsigned open_attempts = 3;

bool reads(std::string_view method) noexcept { return method == "GET" || method == "HEAD"; }
bool writes(std::string_view method) noexcept {
  return method == "PUT" || method == "POST" || method == "DELETE" || method == "PATCH";
}

http::response make_options(const http::request& asked, bool writable) {
  http::response answer;
  answer.head.status = 204;
  auto& fields = answer.head.fields;
  fields.add("Allow", allowed_methods(writable));
  fields.add("DAV", "1");
  if (asked.head.fields.has("access-control-request-method")) {
    fields.add("Access-Control-Allow-Methods", allowed_methods(writable));
    fields.add("Access-Control-Allow-Headers", "*, Authorization"); // "*" does not cover it (Fetch §3.2.4)
    fields.add("Access-Control-Max-Age", "86400");
  }
  return answer;
}

} // namespace

bool names_node_in_loop(const http::header_table& fields, std::string_view node_name) {
  const auto loop = fields.joined("cdn-loop");
  if (!loop || node_name.empty()) return false;
  for (const std::string_view element : split(*loop, ',')) {
    // Ours is `forebay; node="name"`: all nodes are one CDN, and each asks for itself.
    bool is_forebay = false;
    for (const std::string_view part : split(element, ';')) {
      const auto equals = part.find('=');
      if (equals == std::string_view::npos) {
        is_forebay = iequals(trim(part), "forebay");
        continue;
      }
      std::string_view value = trim(part.substr(equals + 1));
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
      if (is_forebay && iequals(trim(part.substr(0, equals)), "node") && value == node_name) return true;
    }
  }
  return false;
}

result<void> decide_access(const space::placement&, const http::request&, std::string_view) { return {}; }

std::string_view allowed_methods(bool writable) noexcept {
  return writable ? "GET, HEAD, OPTIONS, PROPFIND, PUT, POST, PATCH, DELETE" : "GET, HEAD, OPTIONS, PROPFIND";
}

web_front::web_front(cache::content_cache& cache, std::shared_ptr<const web_settings> settings, access_log* log)
    : cache_(cache), settings_(std::move(settings)), log_(log) {}

net::task<http::response> web_front::handle(http::request& asked) {
  metrics_.began();
  auto notes = std::make_shared<exchange_notes>();
  notes->settings = settings_.get();
  notes->client = client_address(asked.peer.address, asked.head.fields, notes->settings->trusted_proxies).to_string();
  asked.notes = notes;

  auto wanted = parse_target(asked.head.target);
  http::response answer;
  if (!wanted) {
    answer = failure(asked, wanted.error(), 400, {});
  } else {
    answer = co_await route(asked, std::move(*wanted));
  }
  add_node_fields(answer.head.fields, asked, notes->looked_up ? notes->report.cache_status() : std::string());
  co_return answer;
}

net::task<http::response> web_front::route(http::request& asked, target wanted) {
  exchange_notes& notes = *exchange_notes::of(asked);
  const std::string& method = asked.head.method;
  const bool head_only = method == "HEAD";
  if (names_node_in_loop(asked.head.fields, notes.settings->node_name)) {
    const error why{error_kind::invalid_input, "node",
                    fmt::format("the request has passed this node ({}) before: two nodes are each other's origin",
                                notes.settings->node_name)};
    co_return failure(asked, why, 508, wanted.path, "loop-detected");
  }
  if (method == "OPTIONS" && wanted.path == "*") co_return make_options(asked, false);
  if (!reads(method) && !writes(method) && method != "PROPFIND" && method != "OPTIONS") {
    co_return make_not_allowed(method, allowed_methods(false), {{}, wanted.path, head_only});
  }

  auto where = notes.settings->spaces->resolve(wanted.path, wanted.query);
  if (!where) {
    http::response outside = co_await answer_outside(asked, std::move(wanted.path), where.error());
    co_return outside;
  }
  notes.space = where->space;
  if (method == "OPTIONS") co_return make_options(asked, notes.space->write);
  const auto access = decide_access(*where, asked, notes.client);
  if (!access) co_return failure(asked, access.error(), status_of(access.error()), wanted.path);

  http::response answer;
  if (reads(method)) {
    answer = co_await read(asked, std::move(*where), wanted.path);
  } else if (method == "PROPFIND") {
    answer = co_await list(asked, std::move(*where), wanted.path);
  } else if (notes.space->write) {
    answer = co_await write(asked, std::move(*where), wanted.path);
  } else {
    answer = make_not_allowed(method, allowed_methods(false), {{}, wanted.path, head_only},
                              "A namespace lets writes pass through with write = true in the configuration");
  }
  co_return answer;
}

net::task<http::response> web_front::answer_outside(http::request& asked, std::string path, error why) {
  const web_settings& settings = *exchange_notes::of(asked)->settings;
  const std::string& method = asked.head.method;
  const bool unknown = why.kind == error_kind::not_found;
  if (method == "OPTIONS") co_return make_options(asked, false);
  if (unknown && path == "/" && reads(method)) co_return make_node_page(settings, asked);
  if (method == "PROPFIND") {
    result<http::response> listed = co_await answer_above_namespaces(asked, path);
    if (listed) co_return std::move(*listed);
    if (listed.error().kind != error_kind::not_found) why = listed.error();
  }
  if (why.kind == error_kind::not_found) {
    if (is_admin_path(path))
      why.context += fmt::format(". {} is on the admin listener ({})", path, usual_admin_address);
    why.context += ". " + settings.spaces->describe();
  }
  co_return failure(asked, why, status_of(why), path, why.kind == error_kind::not_found ? "unknown-namespace" : "");
}

net::task<http::response> web_front::read(http::request& asked, space::placement where, std::string path) {
  exchange_notes& notes = *exchange_notes::of(asked);
  const auto ranges = asked_ranges(asked, notes.settings->ranges);
  bool with_ranges = true;
  notes.looked_up = true;
  for (unsigned attempt = 1;; ++attempt) {
    const bool last_attempt = attempt >= open_attempts;
    cache::open_request open;
    open.where = where;
    open.head_only = asked.head.method == "HEAD";
    if (with_ranges) open.ranges = ranges;
    open.fields = &asked.head.fields;
    open.client = notes.client;
    open.connection = asked.connection;
    open.report = &notes.report;
    result<cache::opened> opened = co_await cache_.open(std::move(open));
    if (!opened) {
      if (opened.error().kind == error_kind::changed && !last_attempt) continue;
      co_return read_failure(asked, opened.error(), path);
    }
    const wall_time now = system_clock().wall();
    if (opened->passes()) {
      // Without a validator nobody can say that If-Range holds: the whole is the answer (RFC 9110 §13.1.5).
      if (opened->pass->head.status == 206 && with_ranges && asked.head.fields.has("if-range")) {
        with_ranges = false;
        continue;
      }
      // Who reads a version piece by piece under If-Match must not be given a piece of another one.
      if (check_pass(asked, opened->pass->head, now) == http::precondition::failed)
        co_return refuse_condition(asked, path);
      http::response passed = make_pass_answer(asked, std::move(*opened->pass), now);
      if (passed.body == nullptr) co_return passed;
      auto begun = co_await cache::opened::begin(std::move(passed.body));
      if (!begun) co_return read_failure(asked, begun.error(), path);
      passed.body = std::move(*begun);
      co_return passed;
    }
    const auto plan = plan_read(asked, *opened->head, ranges, now);
    if (plan.what == read_plan::kind::failed) co_return refuse_condition(asked, path);
    if (plan.what == read_plan::kind::unsatisfiable) {
      const std::uint64_t length = *opened->head->length_bytes;
      const error why{error_kind::range_unsatisfiable, "request",
                      fmt::format("the object has {} bytes; no requested range lies within", length)};
      auto answer = failure(asked, why, 416, path);
      answer.head.fields.add("Content-Range", http::format_unsatisfied_range(length));
      co_return answer;
    }
    const auto age = opened->age;
    auto answer = make_read_answer(asked, std::move(*opened), plan);
    add_age(answer.head.fields, age, notes.report.hit || notes.report.stale);
    if (answer.body == nullptr) co_return answer;
    // The head leaves when the first bytes are there: until then a failure is still an honest status.
    auto begun = co_await cache::opened::begin(std::move(answer.body));
    if (begun) {
      answer.body = std::move(*begun);
      co_return answer;
    }
    if (begun.error().kind == error_kind::changed && !last_attempt) continue;
    co_return read_failure(asked, begun.error(), path);
  }
}

http::response web_front::refuse_condition(http::request& asked, std::string_view path) {
  const error why{error_kind::changed, "request", "the object does not match the request's preconditions"};
  return failure(asked, why, 412, path, "precondition-failed");
}

http::response web_front::read_failure(http::request& asked, const error& why, std::string_view path) {
  // No condition of the reader's failed: it may try again.
  return failure(asked, why, why.kind == error_kind::changed ? 503 : status_of(why), path);
}

net::task<http::response> web_front::list(http::request& asked, space::placement where, std::string path) {
  result<http::response> answer = co_await answer_propfind(cache_, asked, std::move(where), path);
  if (answer) co_return std::move(*answer);
  const error& why = answer.error();
  // Asking again would not make the listing shorter: 507, not 503 (RFC 5323 §5.3).
  const bool too_long = why.kind == error_kind::exhausted && why.source == "listing";
  co_return failure(asked, why, too_long ? 507 : status_of(why), path);
}

net::task<http::response> web_front::write(http::request& asked, space::placement where, std::string path) {
  exchange_notes& notes = *exchange_notes::of(asked);
  origin::write_request wanted;
  wanted.method = asked.head.method;
  wanted.key = where.key;
  wanted.query = where.query;
  wanted.fields = asked.head.fields;
  http::remove_hop_by_hop(wanted.fields);
  for (const std::string_view ours : {"host", "expect", "content-length", "x-request-id"}) wanted.fields.remove(ours);
  if (const auto length = asked.head.fields.get("content-length")) wanted.length_bytes = parse_u64(*length);
  wanted.body = std::move(asked.body);
  wanted.until = net::deadline::after(notes.settings->write_timeout);
  const auto origin = where.space->origins.front(); // the others are its mirrors: they follow it, not us
  notes.report.origin = origin->name();
  notes.report.forwarded = cache::forward_reason::method;
  notes.looked_up = true;

  result<origin::write_answer> answered = co_await origin->write(std::move(wanted));
  // Also after a failure: the store may have done it all the same (RFC 9111 §4.4 asks only for success).
  const bool refused = answered && answered->head.status >= 400 && answered->head.status < 500;
  if (!refused) {
    const auto purged = co_await cache_.purge_object(where);
    if (!purged)
      log::warn("front", "what was written is forgotten until a restart alone: {}", purged.error().message());
  }
  if (!answered) co_return failure(asked, answered.error(), status_of(answered.error()), path);
  notes.report.passed = true;
  notes.report.forward_status = answered->head.status;
  co_return make_pulled_response(std::move(answered->head), std::move(answered->body));
}

http::response web_front::failure(http::request& asked, const error& why, unsigned status, std::string_view path,
                                  std::string_view type) {
  exchange_notes& notes = *exchange_notes::of(asked);
  notes.failure = why.kind;
  metrics_.failed(why.kind);
  if (status >= 500) {
    log::debug("front", "{} {} of {}: {}", asked.head.method, mask_target(asked.head.target), notes.client,
               why.message());
  }
  return make_problem(why, status, {type, path, asked.head.method == "HEAD"});
}

http::response web_front::refuse(const error& why, unsigned status) {
  metrics_.failed(why.kind);
  auto answer = make_problem(why, status, {});
  answer.close = true;
  return answer;
}

void web_front::finished(const http::exchange_record& record, const http::response&) noexcept {
  const http::request& asked = *record.asked;
  const exchange_notes* notes = exchange_notes::of(asked);
  if (notes == nullptr) metrics_.began(); // refused before it reached us
  request_metrics::exchange done;
  done.method = asked.head.method;
  done.outcome = notes != nullptr ? notes->outcome() : "error";
  done.status = record.status;
  done.complete = record.complete;
  done.first_byte = record.first_byte;
  done.total = record.total;
  if (notes != nullptr && notes->space != nullptr) {
    done.name_space = notes->space->label;
    done.served = {notes->report.memory_bytes, notes->report.disk_bytes, notes->report.origin_bytes};
    done.egress_usd_per_gb = notes->egress_usd_per_gb();
  }
  metrics_.finished(done);
  if (log_ == nullptr) return;
  access_entry entry;
  entry.when = system_clock().wall();
  entry.id = asked.id;
  entry.client = notes != nullptr ? notes->client : asked.peer.address.to_string();
  entry.method = asked.head.method;
  entry.target = asked.head.target;
  entry.status = record.status;
  entry.sent_bytes = record.sent_bytes;
  entry.complete = record.complete;
  entry.first_byte = record.first_byte;
  entry.total = record.total;
  if (notes != nullptr && notes->looked_up) {
    entry.cache = notes->outcome();
    entry.origin = notes->report.origin;
  }
  entry.range = asked.head.fields.get("range").value_or("");
  entry.user_agent = asked.head.fields.get("user-agent").value_or("");
  log_->add(std::move(entry));
}

} // namespace forebay::front
