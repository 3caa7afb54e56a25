#include "cache/messages/message_engine.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "cache/messages/message_body.h"
#include "http/date.h"
#include "net/loop.h"

namespace forebay::cache::messages {
namespace {

/// How long readers of what cannot be kept do not wait for each other.
constexpr std::chrono::seconds pass_time{10};
/// What a revalidation beside the readers fetches to its end though nobody reads it.
constexpr std::uint64_t background_limit_bytes = 64ull << 20;

metrics::counter& counted(std::string_view name, std::string_view help) {
  return metrics::global().get_counter(name, help);
}

} // namespace

message_engine::message_engine(std::shared_ptr<engine> with)
    : shared(std::move(with)),
      stored(counted("forebay_messages_stored_total", "Answers kept or refreshed where semantics is http.")),
      invalidated(counted("forebay_messages_invalidated_total",
                          "URIs whose answers were forgotten because an unsafe method succeeded.")),
      variants_dropped(counted("forebay_message_variants_dropped_total",
                               "Variants that made room for another (limits.variants_per_message).")),
      held_bytes(metrics::global().get_gauge("forebay_message_head_bytes",
                                             "Memory for heads of stored messages (limits.stored_message_bytes).")) {
  entries.count_evictions(counted("forebay_messages_evicted_total",
                                  "URIs whose answers made room (limits.stored_messages, stored_message_bytes)."));
}

net::task<void> end_body(std::unique_ptr<http::client_body> body) {
  std::byte none;
  if (body != nullptr) co_await body->read_some(std::span(&none, 1));
}

arrival arrive(origin::write_answer answered, wall_time requested, wall_time received) {
  auto& fields = answered.head.fields;
  const auto date = fields.get("date");
  if (date && !http::parse_date(*date, received)) fields.set("Date", http::format_date(received));
  const auto age = fields.get("age");
  const auto digits = age ? trim(age->substr(0, age->find(','))) : std::string_view("0");
  const bool number = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!number) fields.remove("age");
  return {
      answered.head.status, answered.head.version, std::move(fields), std::move(answered.body), requested, received};
}

glance look(const exchange_state& of) {
  glance seen;
  const std::lock_guard lock(of.at->mutex);
  auto& variants = of.at->variants;
  std::erase_if(variants, [](const auto& each) { return !each->usable(); });
  for (const auto& each : variants) {
    if (!selects(each->chosen_by, each->head->fields, of.asked.fields)) continue;
    if (seen.held == nullptr || each->head->date_value >= seen.held->head->date_value) seen.held = each;
  }
  seen.variants = variants;
  seen.passes = of.at->pass_until > of.store->shared->time.steady();
  seen.generation = of.at->generation;
  return seen;
}

std::optional<part> begin_part(const exchange_state& of, arrival& came, byte_range range) {
  auto body = std::move(came.body);
  if (body == nullptr) return std::nullopt;
  if (range.empty()) {
    net::loop::current().spawn(end_body(std::move(body)));
    return std::nullopt;
  }
  const auto& shared = of.store->shared;
  const bool unknown = range.end == version::length_unknown;
  const std::optional<std::uint64_t> length = unknown ? std::nullopt : std::optional(range.length_bytes());
  const auto& where = of.asked.where;
  std::vector<binding> origins{{where.space->origins.front(), where.key, where.query, where.space->tenant}};
  auto bytes = version::of_its_own(shared, of.at->key, {}, length);
  auto trailers = unknown ? std::make_shared<http::late_trailers>() : nullptr;
  if (unknown) body = note_trailers(std::move(body), trailers);
  const bool to_its_end = of.background && length.value_or(0) <= background_limit_bytes;
  auto transfer = std::make_shared<fill>(shared, bytes, std::move(origins),
                                         byte_range{0, length.value_or(version::length_unknown)}, to_its_end);
  bytes->add_fill(transfer);
  net::loop::current().spawn(fill::run(std::move(transfer), std::move(body), 0));
  return part{range, std::move(bytes), std::move(trailers)};
}

namespace {

/// Whether the message took its place among the variants.
bool take_place(const exchange_state& of, std::shared_ptr<const stored_message> message, std::uint64_t generation) {
  std::vector<std::shared_ptr<const stored_message>> gone; // destroyed after the lock: that touches the tiers
  const std::size_t limit = of.store->shared->limits_now()->variants_per_message;
  const std::lock_guard lock(of.at->mutex);
  if (of.at->generation != generation) return false;
  auto& variants = of.at->variants;
  const auto kept = std::stable_partition(variants.begin(), variants.end(), [&](const auto& each) {
    return each->chosen_by != message->chosen_by && !selects(each->chosen_by, each->head->fields, of.asked.fields);
  });
  gone.assign(kept, variants.end());
  variants.erase(kept, variants.end());
  while (!variants.empty() && variants.size() >= limit) {
    gone.push_back(std::move(variants.front()));
    variants.erase(variants.begin());
    of.store->variants_dropped.add();
  }
  variants.push_back(std::move(message));
  of.at->pass_until = {};
  of.store->stored.add();
  return true;
}

} // namespace

void install(const exchange_state& of, std::shared_ptr<const stored_message> message, std::uint64_t generation) {
  message_engine& store = *of.store;
  auto mine = std::make_shared<stored_message>(*message);
  mine->share = std::make_shared<const head_share>(store.head_bytes, mine->head_bytes());
  message.reset();
  if (!take_place(of, std::move(mine), generation)) return;
  const std::uint64_t limit = store.shared->limits_now()->stored_message_bytes;
  const auto used = [&store] { return store.head_bytes->load(std::memory_order_relaxed); };
  if (used() > limit) store.entries.shed([&] { return used() <= limit; });
  store.held_bytes.set(static_cast<std::int64_t>(used()));
}

void give_up(const exchange_state& of, const std::shared_ptr<const stored_message>& gone, std::uint64_t generation) {
  const std::lock_guard lock(of.at->mutex); // the caller holds `gone`: nothing is destroyed under the lock
  if (of.at->generation != generation) return;
  std::erase(of.at->variants, gone);
  of.at->pass_until = of.store->shared->time.steady() + pass_time;
}

bool forget_entry(message_entry& at) {
  std::vector<std::shared_ptr<const stored_message>> gone;
  const std::lock_guard lock(at.mutex);
  gone.swap(at.variants);
  ++at.generation;
  at.pass_until = {};
  return !gone.empty();
}

reader_context reader_of(const exchange_state& of, std::shared_ptr<version> own) {
  const auto& where = of.asked.where;
  std::vector<binding> origins{{where.space->origins.front(), where.key, where.query, where.space->tenant}};
  return {of.store->shared,    std::move(own),  std::move(origins), of.asked.client,
          of.asked.connection, of.asked.report, byte_range{}};
}

std::optional<http::response> answer_held(const exchange_state& of, const stored_message& held,
                                          std::shared_ptr<version> own) {
  const auto& time = of.store->shared->time;
  return answer_from(held, {of.head_only, &of.asked.fields, of.asked.ranges, of.asked.boundary},
                     reader_of(of, std::move(own)), time.wall(), time.steady());
}

http::response pass_on(const exchange_state& of, arrival came) {
  http::response answer;
  answer.head.status = came.status;
  answer.head.version = came.version;
  const bool bodiless = came.status == 204 || came.status == 304;
  if (const auto length = came.fields.get("content-length"); length && !bodiless)
    answer.length_bytes = parse_u64(*length);
  came.fields.remove("content-length");
  answer.head.fields = std::move(came.fields);
  if (!of.head_only && !bodiless && came.body != nullptr)
    answer.body = make_passing_body(std::move(came.body), of.asked.report);
  return answer;
}

} // namespace forebay::cache::messages
