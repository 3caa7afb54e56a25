// Hits that come again, byte for byte: remembered after an answer, given without asking anybody.
#include <array>
#include <cstring>

#include "base/text.h"
#include "front/answer.h"
#include "front/client_network.h"
#include "front/exchange_end.h"
#include "front/hit_memory.h"
#include "front/web/web_front.h"
#include "http/answer_head.h"
#include "net/loop.h"

namespace forebay::front {
namespace {

/// Of a body that is read at one go, with nobody else's turn in between.
constexpr std::uint64_t body_bytes_max = 1 << 20;
constexpr std::string_view id_line = "\r\nX-Request-Id: ", id_place = "0000000000000000";

/// Fields that make an answer depend on more than the object as it is held, or that are a secret to be looked at anew.
bool asks_for_more(const http::header_table& fields) {
  constexpr std::array<std::string_view, 14> names{
      "range",         "if-range",      "if-match",          "if-none-match", "if-modified-since", "if-unmodified-since",
      "cache-control", "pragma",        "authorization",     "proxy-authorization", "expect",      "te",
      "upgrade",       "cdn-loop"};
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return fields.has(name); });
}

bool keeps_connection(const http::header_table& fields) {
  const auto field = fields.get("connection");
  return !field || (iequals(*field, "keep-alive") && fields.count("connection") == 1);
}

/// A whole object out of memory, to anybody, by nothing but what the namespace and the object say.
bool is_plain_hit(const http::exchange_record& record, const exchange_notes& notes, const http::response& answer) {
  const http::request& asked = *record.asked;
  const cache::lookup_report& report = notes.report;
  const bool plain = asked.head.method == "GET" && asked.head.version == 11 && record.status == 200 &&
                     record.complete && !answer.close && !asks_for_more(asked.head.fields) &&
                     keeps_connection(asked.head.fields);
  const bool open = notes.space != nullptr && notes.space->is_public && notes.space->access == nullptr &&
                    notes.space->meaning != space::semantics::messages && !notes.signature && !notes.failure;
  const bool hit = notes.held && report.hit && !report.stale && !report.collapsed && !report.revalidated &&
                   report.detail.empty() && !report.forward_status;
  const std::uint64_t length = notes.held ? notes.held.length_bytes() : 0;
  const bool whole = length > 0 && length <= body_bytes_max && report.memory_bytes == length &&
                     answer.length_bytes == length && record.sent_bytes == length;
  return plain && open && hit && whole;
}

std::string account_of(const net::stream& peer_of) { return client_network(peer_of.peer().address).to_string(); }

void render(remembered_hit& hit, cache::held_object::freshness_now now) {
  hit.report.ttl_seconds = now.ttl.count();
  hit.answer.head.fields.set("Age", fmt::format("{}", now.age.count()));
  hit.answer.head.fields.set("Cache-Status", hit.report.cache_status());
  hit.rendered.clear();
  const auto framing = http::frame_answer(hit.answer, "GET", 11, true);
  http::render_answer_head(hit.rendered, hit.answer, framing, id_place);
  hit.id_at = hit.rendered.find(id_line) + id_line.size();
  if (hit.answer.shared_fields) hit.rendered += *hit.answer.shared_fields;
  hit.rendered += "\r\n";
  hit.rendered_age = now.age;
}

} // namespace

hit_memory* web_front::hits_here() noexcept {
  const net::loop* const here = net::loop::try_current();
  if (here == nullptr || here->index() >= hits_.size()) return nullptr;
  auto& mine = hits_[here->index()];
  const std::size_t most = remembered_hits_.load(std::memory_order_relaxed);
  if (most == 0) {
    mine.reset();
  } else if (mine == nullptr) {
    mine = std::make_unique<hit_memory>(most);
  }
  return mine.get();
}

/// Called when the answer has been sent.
void web_front::remember(const http::exchange_record& record, const http::response& answer) {
  const http::request& asked = *record.asked;
  const exchange_notes* const notes = exchange_notes::of(asked);
  const bool fits = !asked.raw_head.empty() && asked.raw_head.size() <= hit_memory::raw_head_bytes_max;
  if (!fits || notes == nullptr || !is_plain_hit(record, *notes, answer)) return;
  hit_memory* const mine = hits_here();
  if (mine == nullptr || !mine->came_before(asked.raw_head)) return;
  // A list to which an origin wrote before us keeps its order only as it was sent.
  if (answer.head.fields.count("cache-status") != 1 || !answer.head.fields.has("age")) return;

  auto hit = std::make_shared<remembered_hit>();
  hit->raw_head = asked.raw_head;
  hit->generation = notes->generation;
  hit->held = notes->held;
  hit->answer.head = answer.head;
  hit->answer.shared_fields = answer.shared_fields;
  hit->answer.length_bytes = answer.length_bytes;
  hit->id_is_clients = asked.head.fields.get("x-request-id") == std::string_view(asked.id);
  if (!hit->id_is_clients) hit->answer.head.fields.set("X-Request-Id", id_place);
  hit->report = notes->report;
  hit->target = asked.head.target;
  hit->user_agent = asked.head.fields.get("user-agent").value_or("");
  hit->space_label = notes->space->label;
  hit->egress_usd_per_gb = notes->egress_usd_per_gb();
  render(*hit, {});
  if (hit->rendered.size() > hit_memory::answer_head_bytes_max) return;
  hit->rendered_age = std::chrono::seconds(-1);
  mine->put(std::move(hit));
}

bool web_front::recall(std::string_view raw_head, net::stream&, http::recalled& into) noexcept {
  hit_memory* const mine = hits_here();
  if (mine == nullptr) return false;
  const auto* const found = mine->find(raw_head, generation_.load(std::memory_order_acquire));
  if (found == nullptr) return false;
  remembered_hit& hit = **found;
  cache::held_object::freshness_now now;
  into.pieces = hit.held.read(into.body, now);
  if (into.pieces == 0) {
    mine->forget(raw_head);
    return false;
  }
  if (now.age != hit.rendered_age) render(hit, now);
  into.head = hit.rendered;
  if (!hit.id_is_clients) {
    std::array<char, id_place.size()> id;
    http::make_request_id(id);
    std::memcpy(into.head.data() + hit.id_at, id.data(), id.size());
  }
  into.body_bytes = hit.held.length_bytes();
  into.from = *found;
  return true;
}

void web_front::recall_waits(http::recalled& answer, const net::stream& to) noexcept {
  answer.charge = static_cast<const remembered_hit*>(answer.from.get())->held.charge(account_of(to));
}

void web_front::recall_ended(const http::recalled& answer, const net::stream& to, std::uint64_t sent_bytes,
                             bool complete, std::chrono::nanoseconds total) noexcept {
  const auto& hit = *static_cast<const remembered_hit*>(answer.from.get());
  if (hit.held.anybody_owes()) hit.held.delivered(account_of(to));
  request_metrics::exchange done;
  done.method = "GET";
  done.outcome = "hit";
  done.status = 200;
  done.complete = complete;
  done.first_byte = answer.first_byte;
  done.total = total;
  done.name_space = hit.space_label;
  done.served.memory = answer.body_bytes;
  done.egress_usd_per_gb = hit.egress_usd_per_gb;
  metrics_.began();
  metrics_.finished(done);
  if (log_ == nullptr) return;
  access_entry entry;
  entry.when = system_clock().wall();
  entry.id = std::string_view(answer.head).substr(hit.id_at, answer.head.find('\r', hit.id_at) - hit.id_at);
  entry.client = to.peer().address.to_string();
  entry.method = done.method;
  entry.target = hit.target;
  entry.status = done.status;
  entry.sent_bytes = sent_bytes;
  entry.complete = complete;
  entry.first_byte = done.first_byte;
  entry.total = total;
  entry.cache = done.outcome;
  entry.origin = hit.report.origin;
  entry.user_agent = hit.user_agent;
  log_->add(std::move(entry));
}

} // namespace forebay::front
