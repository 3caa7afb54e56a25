#include "front/web/web_front.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "front/answer.h"
#include "front/client_address.h"
#include "front/client_network.h"
#include "front/exchange_end.h"
#include "front/named_objects.h"
#include "front/pulled_body.h"
#include "front/read_object.h"
#include "front/reader_admission.h"
#include "front/reader_right.h"
#include "front/web/duplicates.h"
#include "front/web/message_front.h"
#include "front/web/message_rights.h"
#include "front/web/passed_write.h"
#include "front/web/propfind.h"
#include "front/written.h"

namespace forebay::front {
namespace {

constexpr std::string_view usual_admin_address = "127.0.0.1:8081 by default";

bool reads(std::string_view method) noexcept { return method == "GET" || method == "HEAD"; }
bool writes(std::string_view method) noexcept {
  return method == "PUT" || method == "POST" || method == "DELETE" || method == "PATCH";
}

bool is_preflight(const http::request& asked) {
  return asked.head.method == "OPTIONS" && asked.head.fields.has("access-control-request-method");
}

http::response make_options(const http::request& asked, bool writable) {
  http::response answer;
  answer.head.status = 204;
  auto& fields = answer.head.fields;
  fields.add("Allow", allowed_methods(writable));
  fields.add("DAV", "1");
  if (is_preflight(asked)) {
    fields.add("Access-Control-Allow-Methods", allowed_methods(false)); // a page of another site reads
    fields.add("Access-Control-Allow-Headers", "*, Authorization");     // "*" does not cover it (Fetch §3.2.4)
    fields.add("Access-Control-Max-Age", "86400");
  }
  return answer;
}

/// The target, without what signs it: that goes into the notes, and no further.
result<target> read_target(std::string_view text, exchange_notes& notes) {
  auto wanted = parse_target(text);
  if (!wanted) return wanted;
  auto signature = space::take_signature(&wanted->query);
  if (!signature) return fail(signature.error());
  notes.signature = std::move(*signature);
  if (notes.signature) notes.signed_path = wanted->path;
  return wanted;
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

std::string_view allowed_methods(bool writable) noexcept {
  return writable ? "GET, HEAD, OPTIONS, PROPFIND, PUT, POST, PATCH, DELETE" : "GET, HEAD, OPTIONS, PROPFIND";
}

web_front::web_front(cache::content_cache& cache, std::shared_ptr<const web_settings> settings, access_log* log)
    : cache_(cache), settings_(settings), log_(log), remembered_hits_(settings->remembered_hits) {
  register_reader_decisions();
}

void web_front::update(std::shared_ptr<const web_settings> settings) {
  remembered_hits_.store(settings->remembered_hits, std::memory_order_relaxed);
  settings_.set(std::move(settings));
  generation_.fetch_add(1, std::memory_order_release);
}

net::task<http::response> web_front::handle(http::request& asked) {
  metrics_.began();
  auto notes = std::make_shared<exchange_notes>();
  notes->generation = generation_.load(std::memory_order_acquire); // first: what is newer may be taken for older
  notes->settings = settings_.get();
  notes->address = client_address(asked.peer.address, asked.head.fields, notes->settings->trusted_proxies,
                                  notes->settings->proxies_say_forwarded);
  notes->client = notes->address.to_string();
  notes->account = notes->address.is_v4() ? notes->client : client_network(notes->address).to_string();
  asked.notes = notes;

  auto wanted = read_target(asked.head.target, *notes);
  http::response answer;
  if (!wanted) {
    answer = failure(asked, wanted.error(), 400, {});
  } else {
    answer = co_await route(asked, std::move(*wanted));
  }
  if (!notes->failure) finish_private(answer, asked);
  const std::string status = notes->looked_up ? notes->report.cache_status() : std::string();
  const bool is_message = notes->space != nullptr && notes->space->meaning == space::semantics::messages;
  if (is_message && !notes->failure) {
    add_message_fields(answer.head, asked, status);
    keep_from_other_sites(answer.head.fields, asked);
    co_return answer;
  }
  add_node_fields(answer.head, asked, status);
  keep_from_other_sites(answer.head.fields, asked);
  if (writes(asked.head.method)) {
    for (const char* cors : {"Access-Control-Allow-Origin", "Access-Control-Expose-Headers"})
      answer.head.fields.remove(cors);
  }
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
  auto where = notes.settings->spaces->resolve(wanted.path, wanted.query);
  const bool is_message = where && where->space->meaning == space::semantics::messages;
  if (!is_message && !reads(method) && !writes(method) && method != "PROPFIND" && method != "OPTIONS") {
    co_return make_not_allowed(method, allowed_methods(false), {{}, wanted.path, head_only});
  }
  if (!where) {
    http::response outside = co_await answer_outside(asked, std::move(wanted.path), where.error());
    co_return outside;
  }
  notes.space = where->space;
  if (is_message) {
    http::response answer = co_await message(asked, std::move(*where), wanted.path);
    co_return answer;
  }
  if (method == "OPTIONS") co_return make_options(asked, notes.space->write);
  const auto admitted = co_await admit(asked, &*where);
  if (!admitted) co_return failure(asked, admitted.error(), status_of(admitted.error()), wanted.path);
  const bool token_shown = where->token != nullptr;

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
  if (answer.head.status < 400) mark_personal(answer, *notes.space, token_shown);
  co_return answer;
}

net::task<result<void>> web_front::admit(http::request& asked, space::placement* where) {
  result<void> admitted;
  if (!where->space->is_public) {
    std::string key = is_message_scope(asked, *where->space) ? std::string() : where->key;
    admitted = co_await admit_by_rules(asked, where, action_of(asked.head.method), std::move(key), false);
    if (!admitted) co_return admitted;
  }
  if (where->space->access == nullptr) co_return admitted;
  using space::access_action;
  const bool is_directory = where->key.empty() || where->key.ends_with('/');
  const bool lists = action_of(asked.head.method) == access_action::list;
  admitted = co_await admit_reader(asked, where, where->key,
                                   lists && is_directory ? access_action::list : access_action::read);
  const bool absent = !admitted && admitted.error().kind == error_kind::not_found;
  if (!lists || is_directory || !absent) co_return admitted;
  // Stores of objects have none of a directory's name.
  where->key += '/';
  admitted = co_await admit_reader(asked, where, where->key, access_action::list);
  co_return admitted;
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
    const auto known = [&asked](const space::name_space& one) { return may_know(asked, one); };
    why.context += ". " + settings.spaces->describe(known);
  }
  co_return failure(asked, why, status_of(why), path, why.kind == error_kind::not_found ? "unknown-namespace" : "");
}

net::task<http::response> web_front::read(http::request& asked, space::placement where, std::string path) {
  const std::string duplicates = links_to_duplicates(where);
  read_outcome outcome = co_await read_object(cache_, asked, std::move(where));
  switch (outcome.what) {
  case read_outcome::kind::answered: {
    const unsigned status = outcome.answer.head.status;
    if (!duplicates.empty() && (status == 200 || status == 206)) outcome.answer.head.fields.add("Link", duplicates);
    co_return std::move(outcome.answer);
  }
  case read_outcome::kind::precondition_failed: co_return failure(asked, outcome.why, 412, path, "precondition-failed");
  case read_outcome::kind::unsatisfiable: {
    auto answer = failure(asked, outcome.why, 416, path);
    answer.head.fields.add("Content-Range", http::format_unsatisfied_range(outcome.length_bytes));
    co_return answer;
  }
  case read_outcome::kind::failed: break;
  }
  co_return failure(asked, outcome.why, status_of_read(outcome.why), path);
}

net::task<http::response> web_front::message(http::request& asked, space::placement where, std::string path) {
  const std::string& method = asked.head.method;
  // Browsers ask before they show a token.
  if (!where.space->is_public && is_preflight(asked)) {
    auto answer = make_options(asked, false);
    answer.head.fields.set("Access-Control-Allow-Origin", "*");
    co_return answer;
  }
  auto admitted = co_await admit(asked, &where);
  if (admitted && !where.space->is_public) admitted = check_private_message(asked);
  if (!admitted) co_return failure(asked, admitted.error(), status_of(admitted.error()), path);
  forget_token(asked);
  if (!reaches_origin(method, *where.space)) {
    if (method == "OPTIONS") co_return make_options(asked, false);
    co_return make_not_allowed(method, "GET, HEAD, OPTIONS", {{}, path, method == "HEAD"},
                               "A namespace lets other methods pass through with write = true in the configuration");
  }
  if (method == "OPTIONS" && asked.head.fields.get("max-forwards") == "0") co_return make_options(asked, true);
  // Of a namespace that is not public a right to list was asked for; else a store's operator would be spoken for.
  const bool lists = !where.space->is_public && action_of(method) == space::access_action::list;
  const bool safe = reads(method) || method == "OPTIONS" || method == "TRACE" || lists;
  if (const auto may = safe ? result<void>() : check_writer(where); !may)
    co_return failure(asked, may.error(), status_of(may.error()), path);
  result<http::response> answer = co_await answer_message(cache_, asked, std::move(where));
  if (answer) co_return std::move(*answer);
  co_return failure(asked, answer.error(), status_of(answer.error()), path);
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
  if (const auto may = check_write(asked, where); !may)
    co_return failure(asked, may.error(), status_of(may.error()), path);
  const auto origin = where.space->origins.front(); // the others are its mirrors: they follow it, not us
  origin::write_request wanted;
  wanted.method = asked.head.method;
  wanted.key = where.key;
  wanted.fields = passed_fields(asked.head.fields);
  if (const auto length = asked.head.fields.get("content-length")) wanted.length_bytes = parse_u64(*length);
  wanted.body = std::move(asked.body);
  wanted.until = net::deadline::after(notes.settings->write_timeout);
  notes.report.origin = origin->name();
  notes.report.forwarded = cache::forward_reason::method;
  notes.looked_up = true;

  result<origin::write_answer> answered = co_await origin->write(std::move(wanted));
  // Also after a failure: the store may have done it all the same (RFC 9111 §4.4 asks only for success).
  const bool untouched = answered && left_untouched(answered->head.status);
  if (!untouched) co_await forget_written(cache_, notes.settings->spaces, where);
  std::vector<space::placement> named;
  const bool done = answered && answered->head.status < 400;
  if (done) named = named_objects(asked, where, answered->head.fields, *notes.settings->spaces);
  for (space::placement& each : named) co_await forget_written(cache_, notes.settings->spaces, std::move(each));
  if (!answered) co_return failure(asked, answered.error(), status_of(answered.error()), path);
  notes.report.passed = true;
  notes.report.forward_status = answered->head.status;
  const auto sound = check_written(answered->head, origin->name());
  if (!sound) co_return failure(asked, sound.error(), status_of(sound.error()), path);
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
  auto answer = make_problem(why, status, {type, path, asked.head.method == "HEAD"});
  if (!notes.challenge.empty()) answer.head.fields.set("WWW-Authenticate", notes.challenge);
  return answer;
}

http::response web_front::refuse(const error& why, unsigned status) {
  metrics_.failed(why.kind);
  auto answer = make_problem(why, status, {});
  answer.close = true;
  return answer;
}

void web_front::finished(const http::exchange_record& record, const http::response& answer) noexcept {
  record_end(record, metrics_, log_);
  remember(record, answer);
}

} // namespace forebay::front
