#include "front/s3/s3_front.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "front/answer.h"
#include "front/client_address.h"
#include "front/client_network.h"
#include "front/exchange_end.h"
#include "front/reader_admission.h"
#include "front/reader_right.h"
#include "front/web/web_front.h"
#include "space/access.h"
#include "space/path.h"

namespace forebay::front::s3 {
namespace {

constexpr std::string_view methods = "GET, HEAD, PUT, POST, DELETE";

http::response make_preflight() {
  http::response answer;
  answer.head.status = 200;
  answer.length_bytes = 0;
  answer.head.fields.add("Access-Control-Allow-Methods", methods);
  answer.head.fields.add("Access-Control-Allow-Headers", "*, Authorization"); // "*" does not cover it (Fetch §3.2.4)
  answer.head.fields.add("Access-Control-Max-Age", "86400");
  return answer;
}

/// Notes of a request, with the snapshot that it pins.
struct s3_notes : exchange_notes {
  std::shared_ptr<const s3_settings> pinned;
};

/// Whether the request is a listing of the bucket, and not a question about the bucket itself.
bool lists(const s3_call& call) {
  return call.what.key.empty() && call.asked.head.method == "GET" && !call.what.has("location") &&
         !call.what.has("versioning");
}

/// The key that a request is about; of a listing, the directory that its prefix is in.
std::string asked_key(const s3_call& call) {
  if (!call.what.key.empty()) return call.what.key;
  const std::string* const prefix = call.what.find("prefix");
  return prefix != nullptr ? space::directory_of(*prefix) : std::string();
}

space::access_action action_of(const s3_call& call) {
  const bool uploads = call.what.has("uploads") || call.what.has("uploadId");
  if (uploads) return space::access_action::write;
  return lists(call) ? space::access_action::list : front::action_of(call.asked.head.method);
}

} // namespace

bool s3_call::shows_key() const { return who != nullptr && space::name_allowed(who->buckets, what.bucket); }

tl::unexpected<s3_failure> refuse(unsigned status, std::string code, std::string message) {
  return tl::unexpected(s3_failure{status, std::move(code), std::move(message)});
}

tl::expected<const access_key*, s3_failure> identify(const s3_settings& settings, const http::request_head& head,
                                                     std::optional<authorization>& claim, wall_time now) {
  auto read = read_authorization(head);
  if (!read) return tl::unexpected(std::move(read.error()));
  claim = std::move(*read);
  if (!claim) return nullptr;
  const auto found = std::find_if(settings.keys.begin(), settings.keys.end(),
                                  [&](const access_key& one) { return one.access_key_id == claim->access_key_id; });
  if (found == settings.keys.end()) return nullptr;
  if (auto failure = verify(*claim, found->secret, head, now)) return tl::unexpected(std::move(*failure));
  return &*found;
}

s3_front::s3_front(cache::content_cache& cache, std::shared_ptr<const s3_settings> settings, access_log* log)
    : cache_(cache), settings_(std::move(settings)), log_(log) {}

net::task<http::response> s3_front::handle(http::request& asked) {
  metrics_.began();
  asked.raw_head = {}; // this front recalls nothing
  auto notes = std::make_shared<s3_notes>();
  notes->pinned = settings_.get();
  notes->settings = notes->pinned->common;
  notes->address = client_address(asked.peer.address, asked.head.fields, notes->settings->trusted_proxies,
                                  notes->settings->proxies_say_forwarded);
  notes->client = notes->address.to_string();
  notes->account = client_network(notes->address).to_string();
  asked.notes = std::shared_ptr<exchange_notes>(notes);

  s3_call call{asked, *notes, *notes->pinned, cache_, {}, {}, nullptr, {}};
  s3_outcome outcome = co_await route(call);
  if (!outcome) {
    const s3_failure& why = outcome.error();
    notes->failure = why.status >= 500 && why.kind == error_kind::invalid_input ? error_kind::internal : why.kind;
    metrics_.failed(*notes->failure);
    if (why.status >= 500)
      log::debug("s3", "{} {}: {}", asked.head.method, mask_target(asked.head.target), why.message);
    outcome = make_failure(why, asked);
    if (!notes->challenge.empty()) outcome->head.fields.set("WWW-Authenticate", notes->challenge);
  } else {
    finish_private(*outcome, asked);
  }
  // The id of the exchange with the store is not that of this one.
  if (outcome->shared_fields != nullptr && to_lower(*outcome->shared_fields).find("x-amz-") != std::string::npos)
    unshare(*outcome);
  auto& fields = outcome->head.fields;
  add_node_fields(outcome->head, asked, notes->looked_up ? notes->report.cache_status() : std::string());
  keep_from_other_sites(fields, asked);
  fields.set("x-amz-request-id", asked.id);
  fields.set("x-amz-id-2", asked.id);
  co_return std::move(*outcome);
}

net::task<s3_outcome> s3_front::route(s3_call& call) {
  const http::request_head& head = call.asked.head;
  if (names_node_in_loop(head.fields, call.settings.common->node_name))
    co_return s3::refuse(508, "LoopDetected", "the request has passed this node before");
  auto read = read_request(head, call.settings.hosts);
  if (!read) co_return s3::refuse(400, "InvalidURI", read.error().context);
  call.what = std::move(*read);
  if (head.method == "OPTIONS") co_return make_preflight();
  const auto who = identify(call.settings, head, call.claim, system_clock().wall());
  if (!who) co_return s3::refuse(who.error());
  call.who = *who;
  if (call.what.bucket.empty()) {
    if (head.method == "GET" || head.method == "HEAD") co_return list_buckets(call);
    co_return s3::refuse(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  }
  auto where = call.settings.common->spaces->in_bucket(call.what.bucket, call.what.key);
  if (!where) co_return s3::refuse(failure_of(where.error(), subject::bucket));
  call.where = std::move(*where);
  call.notes.space = call.where.space;
  const bool in_another =
      call.what.key.empty() && call.settings.common->spaces->hides(*call.where.space, asked_key(call));
  if (in_another)
    co_return s3::refuse(403, "AccessDenied", "This prefix lies in a bucket that is not public: list it there.");
  // Before the cache is looked up, hit or miss alike.
  if (!call.where.space->is_public) {
    std::string key = asked_key(call);
    const auto action = action_of(call);
    const bool key_shown = call.shows_key();
    const auto admitted = co_await admit_by_rules(call.asked, &call.where, action, std::move(key), key_shown);
    if (!admitted) co_return s3::refuse(failure_of(admitted.error(), subject::object));
  }
  if (call.where.space->access != nullptr) {
    const auto admitted = co_await admit(call);
    if (!admitted) co_return s3::refuse(admitted.error());
  }
  s3_outcome outcome = co_await route_bucket(call);
  if (outcome && outcome->head.status < 400) mark_personal(*outcome, *call.where.space, call.where.token != nullptr);
  co_return outcome;
}

/// Where the origin decides: a signature cannot be shown to it, a bearer token can.
net::task<tl::expected<void, s3_failure>> s3_front::admit(s3_call& call) {
  const auto access = call.where.space->access;
  if (call.claim) {
    co_return s3::refuse(403, "AccessDenied",
                         "The origin of this bucket decides who may read it, and an S3 signature is no word to it: "
                         "send Authorization: Bearer, unsigned, or read the namespace over HTTP.");
  }
  std::string key = asked_key(call);
  if (call.what.key.empty()) {
    const std::string* const delimiter = call.what.find("delimiter");
    const bool deep = delimiter == nullptr || *delimiter != "/";
    if (lists(call) && deep && !access->covers_below(key)) {
      co_return s3::refuse(403, "AccessDenied",
                           "The origin decides for each part of this bucket: list it with delimiter=/.");
    }
  }
  const auto action = lists(call) ? space::access_action::list : space::access_action::read;
  const auto said = co_await admit_reader(call.asked, &call.where, std::move(key), action);
  if (!said) co_return s3::refuse(failure_of(said.error(), subject::object));
  co_return tl::expected<void, s3_failure>{};
}

net::task<s3_outcome> s3_front::route_bucket(s3_call& call) {
  const std::string& method = call.asked.head.method;
  s3_outcome outcome =
      s3::refuse(405, "MethodNotAllowed", "The specified method is not allowed against this resource.");
  if (method == "GET" || method == "HEAD") {
    const bool uploads = method == "GET" && (call.what.has("uploads") || call.what.has("uploadId"));
    if (uploads) {
      outcome = co_await read_uploads(call);
    } else if (call.what.key.empty()) {
      outcome = co_await read_bucket(call);
    } else {
      outcome = co_await read_key(call);
    }
  } else if (method == "PUT" || method == "POST" || method == "DELETE") {
    if (call.where.space->write) outcome = co_await write(call);
  }
  co_return outcome;
}

http::response s3_front::refuse(const error& why, unsigned status) {
  metrics_.failed(why.kind);
  const http::request nobody;
  s3_failure told = failure_of(why, subject::object);
  told.status = status;
  auto answer = make_failure(told, nobody);
  answer.close = true;
  return answer;
}

void s3_front::finished(const http::exchange_record& record, const http::response&) noexcept {
  record_end(record, metrics_, log_);
}

} // namespace forebay::front::s3
