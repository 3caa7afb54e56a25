// Hits that come again, byte for byte: remembered after an answer, given without asking anybody.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <optional>

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
/// A body up to this is taken by the kernel at once from any reader who keeps up.
constexpr std::uint64_t soon_sent_bytes = 64 * 1024;
constexpr std::string_view id_line = "\r\nX-Request-Id: ", id_place = "0000000000000000";

/// The key of a raw head. That of a request for one range is the same for all ranges: their numbers are left out.
struct raw_key {
  std::string_view text; ///< in the raw head, or in a buffer of this thread until the next call
  bool is_range = false;
  byte_range range{}; ///< as asked
};

/// "first-last" as all programs write it; other forms are for the parser.
std::optional<byte_range> read_range(std::string_view text) noexcept {
  byte_range range;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, range.begin);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  const auto last = std::from_chars(first.ptr + 1, end, range.end);
  const bool whole = last.ec == std::errc() && last.ptr == end && range.end < INT64_MAX && range.begin <= range.end;
  if (!whole) return std::nullopt;
  ++range.end;
  return range;
}

/// As programs write it: with a capital or without.
bool is_range_line(std::string_view line, std::string_view field) noexcept {
  return (line.starts_with('R') || line.starts_with('r')) && line.substr(1).starts_with(field);
}

/// Nothing: such a head is never remembered.
std::optional<raw_key> key_of(std::string_view raw_head) noexcept {
  constexpr std::string_view field = "ange: bytes=";
  if (raw_head.size() > hit_memory::key_bytes_max) return std::nullopt;
  std::size_t line = raw_head.find('\n') + 1;
  while (line != 0 && !is_range_line(raw_head.substr(line), field)) line = raw_head.find('\n', line) + 1;
  if (line == 0) return raw_key{raw_head};
  const std::size_t value = line + 1 + field.size(), end = raw_head.find('\r', value);
  if (end == std::string_view::npos) return std::nullopt;
  const auto range = read_range(raw_head.substr(value, end - value));
  if (!range) return std::nullopt;
  thread_local std::array<char, hit_memory::key_bytes_max> buffer;
  const std::size_t rest = raw_head.size() - end;
  std::memcpy(buffer.data(), raw_head.data(), value);
  std::memcpy(buffer.data() + value, raw_head.data() + end, rest);
  return raw_key{{buffer.data(), value + rest}, true, *range};
}

/// Fields that make an answer depend on more than the object as it is held, or that are a secret to be looked at anew.
bool asks_for_more(const http::header_table& fields) {
  constexpr std::array<std::string_view, 15> names{"want-repr-digest",
                                                   "want-content-digest",
                                                   "if-range",
                                                   "if-match",
                                                   "if-none-match",
                                                   "if-modified-since",
                                                   "if-unmodified-since",
                                                   "cache-control",
                                                   "pragma",
                                                   "authorization",
                                                   "proxy-authorization",
                                                   "expect",
                                                   "te",
                                                   "upgrade",
                                                   "cdn-loop"};
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return fields.has(name); });
}

bool keeps_connection(const http::header_table& fields) {
  const auto field = fields.get("connection");
  return !field || (iequals(*field, "keep-alive") && fields.count("connection") == 1);
}

/// An object or one range of it, out of memory, to anybody, by nothing but what the namespace and the object say.
bool is_plain_hit(const http::exchange_record& record, const exchange_notes& notes, const http::response& answer,
                  bool is_range) {
  const http::request& asked = *record.asked;
  const cache::lookup_report& report = notes.report;
  const bool plain = asked.head.method == "GET" && asked.head.version >= 11 &&
                     record.status == (is_range ? 206u : 200u) && record.complete && !answer.close &&
                     !asks_for_more(asked.head.fields) && keeps_connection(asked.head.fields);
  const bool open = notes.space != nullptr && notes.space->is_public && notes.space->access == nullptr &&
                    notes.space->meaning != space::semantics::messages && !notes.signature && !notes.failure;
  const bool hit = notes.held && report.hit && !report.stale && !report.collapsed && !report.revalidated &&
                   report.detail.empty() && !report.forward_status;
  const std::uint64_t length = answer.length_bytes.value_or(0);
  const bool whole = length > 0 && length <= body_bytes_max && report.memory_bytes == length &&
                     record.sent_bytes == length && (is_range || (notes.held && notes.held.length_bytes() == length));
  const bool one_range = asked.head.fields.count("range") == (is_range ? 1u : 0u) &&
                         answer.head.fields.count("content-range") == (is_range ? 1u : 0u);
  return plain && open && hit && whole && one_range;
}

/// `words` where they stand in `text`; empty where they do not.
std::string_view part_of(std::string_view text, std::string_view words) noexcept {
  const std::size_t at = words.empty() ? std::string_view::npos : text.find(words);
  return at == std::string_view::npos ? std::string_view() : text.substr(at, words.size());
}

std::string account_of(const net::stream& peer_of) { return client_network(peer_of.peer().address).to_string(); }

/// The lines that do not change with time.
void render_lines(remembered_hit& hit, const http::response& answer, std::string_view clients_id) {
  http::response fixed;
  fixed.head = answer.head;
  for (const std::string_view changing : {"age", "cache-status", "content-range"}) fixed.head.fields.remove(changing);
  hit.id_is_clients = !clients_id.empty();
  if (!hit.id_is_clients) fixed.head.fields.set("X-Request-Id", id_place);
  http::answer_framing framing;
  if (!hit.is_range) framing.content_length = answer.length_bytes;
  http::render_answer_head(hit.lines, fixed, framing, id_place);
  hit.id_at = hit.lines.find(id_line) + id_line.size();
  if (answer.shared_fields) hit.lines += *answer.shared_fields;
}

void render(remembered_hit& hit, cache::held_object::freshness_now now) {
  hit.report.ttl_seconds = now.ttl.count();
  hit.rendered = hit.lines;
  fmt::format_to(std::back_inserter(hit.rendered), "Cache-Status: {}\r\nAge: {}\r\n{}", hit.report.cache_status(),
                 now.age.count(), hit.is_range ? "" : "\r\n");
  hit.rendered_age = now.age;
}

/// What names a range, and the empty line.
void append_range(std::string& head, byte_range part, std::uint64_t length_bytes) {
  const fmt::format_int first(part.begin), last(part.end - 1), whole(length_bytes), length(part.length_bytes());
  for (const std::string_view each :
       {std::string_view("Content-Range: bytes "), std::string_view(first.data(), first.size()), std::string_view("-"),
        std::string_view(last.data(), last.size()), std::string_view("/"), std::string_view(whole.data(), whole.size()),
        std::string_view("\r\nContent-Length: "), std::string_view(length.data(), length.size()),
        std::string_view("\r\n\r\n")}) {
    head += each;
  }
}

/// A refusal as bytes, rendered once a second and thread.
struct refusal_text {
  std::string text, date, context;
  unsigned status = 0;
  std::size_t id_at = 0;

  void render(const error& why, unsigned with_status) {
    const std::string_view now = http::current_date();
    if (date == now && context == why.context && status == with_status) return;
    date = now;
    context = why.context;
    status = with_status;
    http::answer_framing framing;
    const std::string words = problem_document(why, status, {});
    framing.sends_body = true;
    framing.content_length = words.size();
    text.clear();
    http::render_answer_head(text, make_problem(why, status, {}), framing, id_place);
    id_at = text.find(id_line) + id_line.size();
    text += "\r\n" + words;
  }
};

/// X-Request-Id of an answer.
std::string_view id_of(const http::recalled& answer) noexcept {
  const std::string_view head = answer.head;
  return head.substr(answer.id_at, head.find('\r', answer.id_at) - answer.id_at);
}

/// A new id in its place.
void put_id(std::string& head, std::size_t at) noexcept {
  std::array<char, id_place.size()> id;
  http::make_request_id(id);
  std::memcpy(head.data() + at, id.data(), id.size());
}

} // namespace

hit_memory* web_front::hits_here(bool make) noexcept {
  const net::loop* const here = net::loop::try_current();
  if (here == nullptr || here->index() >= hits_.size()) return nullptr;
  auto& mine = hits_[here->index()];
  const std::size_t most = remembered_hits_.load(std::memory_order_relaxed);
  if (most == 0) {
    mine.reset();
  } else if (mine == nullptr || mine->most() != most) {
    mine.reset();
    if (make) mine = std::make_unique<hit_memory>(most);
  }
  return mine.get();
}

/// Called when the answer has been sent.
void web_front::remember(const http::exchange_record& record, const http::response& answer) {
  const http::request& asked = *record.asked;
  const exchange_notes* const notes = exchange_notes::of(asked);
  if (asked.raw_head.empty() || notes == nullptr) return;
  const auto key = key_of(asked.raw_head);
  if (!key || !is_plain_hit(record, *notes, answer, key->is_range)) return;
  hit_memory* const mine = hits_here(true);
  if (mine == nullptr || !mine->came_before(key->text)) return;
  // A request that is parsed all the same (its reader had too much pinned, say) changes nothing.
  const auto* const known = mine->find(key->text, notes->generation);
  if (known != nullptr && (*known)->held.same_as(notes->held)) return;
  // A list to which an origin wrote before us keeps its order only as it was sent.
  if (answer.head.fields.count("cache-status") != 1 || !answer.head.fields.has("age")) return;

  auto hit = std::make_shared<remembered_hit>();
  hit->key = key->text;
  hit->is_range = key->is_range;
  hit->generation = notes->generation;
  hit->held = notes->held;
  hit->status = answer.head.status;
  const bool told = asked.head.fields.get("x-request-id") == std::string_view(asked.id);
  render_lines(*hit, answer, told ? std::string_view(asked.id) : std::string_view());
  if (hit->lines.size() > hit_memory::answer_head_bytes_max) return;
  hit->report = notes->report;
  hit->target = part_of(hit->key, asked.head.target);
  hit->user_agent = part_of(hit->key, asked.head.fields.get("user-agent").value_or(""));
  hit->space_label = notes->space->label;
  hit->egress_usd_per_gb = notes->egress_usd_per_gb();
  mine->put(std::move(hit));
}

bool web_front::recall(std::string_view raw_head, net::stream& to, http::recalled& into) noexcept {
  hit_memory* const mine = hits_here(false);
  if (mine == nullptr) return false;
  const auto key = key_of(raw_head);
  if (!key) return false;
  const auto* const found = mine->find(key->text, generation_.load(std::memory_order_acquire));
  if (found == nullptr) return false;
  remembered_hit& hit = **found;
  const std::uint64_t length = hit.held.length_bytes();
  into.part = {0, length};
  if (hit.is_range) into.part = {key->range.begin, std::min(key->range.end, length)};
  if (into.part.begin >= into.part.end || into.part.length_bytes() > body_bytes_max) return false;
  cache::held_object::freshness_now now;
  into.pieces = hit.held.read(into.part, into.body, now);
  if (into.pieces == 0) {
    if (!now.unchanged) mine->forget(key->text);
    return false;
  }
  // What fits a socket's buffer leaves at once; a larger body may stay in memory for as long as its reader likes.
  if (into.part.length_bytes() > soon_sent_bytes) {
    into.charge = hit.held.charge(account_of(to), into.part.length_bytes());
    if (into.charge == nullptr) return false; // `handle` waits until it may
  }
  if (now.age != hit.rendered_age) render(hit, now);
  into.head = hit.rendered;
  into.id_at = hit.id_at;
  if (!hit.id_is_clients) put_id(into.head, hit.id_at);
  if (hit.is_range) append_range(into.head, into.part, length);
  into.body_bytes = into.part.length_bytes();
  into.from = *found;
  return true;
}

/// Of requests that are remembered alone: what else comes is parsed before it is refused.
bool web_front::recall_refusal(std::string_view raw_head, const error& why, unsigned status,
                               http::recalled& into) noexcept {
  hit_memory* const mine = hits_here(false);
  const auto key = mine == nullptr ? std::nullopt : key_of(raw_head);
  if (!key) return false;
  const auto* const found = mine->find(key->text, generation_.load(std::memory_order_acquire));
  if (found == nullptr || (*found)->id_is_clients) return false;
  thread_local refusal_text refusal;
  refusal.render(why, status);
  into.head = refusal.text;
  into.id_at = refusal.id_at;
  put_id(into.head, refusal.id_at);
  into.refused_status = status;
  into.refused_kind = why.kind;
  into.from = *found;
  return true;
}

void web_front::recall_waits(http::recalled& answer, const net::stream& to) noexcept {
  metrics_.began();
  if (answer.charge != nullptr || answer.refused_status != 0) return;
  const auto& hit = *static_cast<const remembered_hit*>(answer.from.get());
  answer.charge = hit.held.charge_begun(account_of(to), answer.body_bytes);
}

void web_front::recall_ended(const http::recalled& answer, const net::stream& to, std::uint64_t sent_bytes,
                             bool complete, std::chrono::nanoseconds total) noexcept {
  const auto& hit = *static_cast<const remembered_hit*>(answer.from.get());
  const bool refused = answer.refused_status != 0;
  if (!refused && hit.held.anybody_owes()) hit.held.delivered(account_of(to), sent_bytes);
  if (!refused && hit.is_range) {
    if (const auto ahead = hit.held.observe(answer.part)) hit.held.fetch_ahead(*ahead, account_of(to));
  }
  request_metrics::exchange done;
  done.method = "GET";
  done.outcome = refused ? "error" : "hit";
  done.status = refused ? answer.refused_status : hit.status;
  done.complete = complete;
  done.first_byte = answer.first_byte;
  done.total = total;
  if (!refused) done.name_space = hit.space_label;
  done.served.memory = answer.body_bytes;
  done.egress_usd_per_gb = hit.egress_usd_per_gb;
  if (!answer.told_waiting) metrics_.began();
  if (refused) metrics_.failed(answer.refused_kind);
  metrics_.finished(done);
  if (log_ == nullptr) return;
  access_entry entry;
  entry.when = system_clock().wall();
  entry.id = id_of(answer);
  entry.client = to.peer().address.to_string();
  entry.method = done.method;
  entry.target = hit.target;
  entry.status = done.status;
  entry.sent_bytes = sent_bytes;
  entry.complete = complete;
  entry.first_byte = done.first_byte;
  entry.total = total;
  if (!refused) entry.cache = done.outcome;
  if (!refused) entry.origin = hit.report.origin;
  if (hit.is_range && !refused) entry.range = fmt::format("bytes={}-{}", answer.part.begin, answer.part.end - 1);
  entry.user_agent = hit.user_agent;
  log_->add(std::move(entry));
}

} // namespace forebay::front
