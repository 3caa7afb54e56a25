// What becomes of an origin's answer: stored, combined, used to refresh what is stored, or passed on.
#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"
#include "cache/messages/message_engine.h"
#include "cache/messages/rules.h"

namespace forebay::cache::messages {
namespace {

/// Parts of one representation that are held: a reader of many small ranges gets no more, the oldest make room.
constexpr std::size_t parts_limit = 64;

steady_time steady(const exchange_state& of) { return of.store->shared->time.steady(); }

stored_head head_of(const exchange_state& of, const arrival& came) {
  auto head = messages::head_of(came.status, came.fields, came.requested, came.received, steady(of));
  head.version = came.version;
  return head;
}
stored_head updated_head(const exchange_state& of, const stored_head& old, const arrival& came) {
  auto head = messages::updated_head(old, came.fields, came.requested, came.received, steady(of));
  head.version = came.version;
  return head;
}

std::optional<std::uint64_t> length_of(const arrival& came) {
  const auto text = came.fields.get("content-length");
  return text ? parse_u64(*text) : std::nullopt;
}

/// What a 206 brings. A range that ends the representation, from a server that counts one byte too many, is believed as
/// far as its body goes; nothing else that contradicts itself is kept.
struct brought_range {
  byte_range range;
  std::uint64_t total = 0;
  bool sound = true; ///< may be combined with others
};
std::optional<brought_range> range_of(const arrival& came) {
  const auto value = came.fields.get("content-range");
  if (!value || came.fields.count("content-range") != 1) return std::nullopt;
  const auto parsed = http::parse_content_range(*value);
  if (!parsed || !parsed->range || !parsed->length_bytes) return std::nullopt;
  brought_range found{*parsed->range, *parsed->length_bytes};
  const auto length = length_of(came);
  if (!length || *length == found.range.length_bytes()) return found;
  const bool ends = found.range.end == found.total;
  if (!ends || *length + 1 != found.range.length_bytes() || *length == 0) return std::nullopt;
  found.range.end = found.total = found.range.begin + *length;
  found.sound = false;
  return found;
}

/// The variant that a 304 speaks of (RFC 9111 §4.3.4).
std::shared_ptr<const stored_message> validated_by(const glance& seen, const arrival& came) {
  const auto text = came.fields.get("etag");
  if (!text) return seen.held != nullptr || seen.variants.size() != 1 ? seen.held : seen.variants.front();
  const auto same = [&](const std::shared_ptr<const stored_message>& each) {
    if (each == nullptr) return false;
    const auto held = each->head->fields.get("etag");
    const auto theirs = http::parse_etag(*text), ours = http::parse_etag(held.value_or(""));
    return theirs && ours ? http::weak_match(*theirs, *ours) : held == text;
  };
  if (same(seen.held)) return seen.held;
  const auto found = std::find_if(seen.variants.begin(), seen.variants.end(), same);
  return found == seen.variants.end() ? nullptr : *found;
}

std::optional<http::response> take_not_modified(exchange_state& of, const glance& seen, const arrival& came) {
  const auto old = validated_by(seen, came);
  if (old == nullptr) { // it speaks of nothing that we hold
    of.bypass = true;
    return std::nullopt;
  }
  stored_message updated = *old;
  auto head = updated_head(of, *old->head, came);
  remove_withheld(head);
  updated.head = std::make_shared<const stored_head>(std::move(head));
  updated.suspect = false;
  const auto chosen = selection_of(updated.head->fields, of.asked.fields);
  // What it brought may be for this reader alone: he has it, and nobody else.
  const keeping fate = chosen ? judge(*updated.head, of.asked.fields, of.directives) : keeping::leave;
  if (fate == keeping::keep) {
    updated.chosen_by = *chosen;
    install(of, std::make_shared<const stored_message>(updated), seen.generation);
  }
  if (fate == keeping::forget) give_up(of, old, seen.generation);
  of.store->shared->counts.revalidations.add();
  of.asked.report->revalidated = chosen.has_value();
  of.asked.report->stored = fate == keeping::keep;
  auto answer = answer_held(of, updated);
  of.bypass = !answer; // bytes that the reader wants are not held: he asks for them
  return answer;
}

/// The answer under the head that came, from the part that it brings. Age tells of a slow way (RFC 9111 §4.2.3).
http::response as_sent(const exchange_state& of, arrival& came, const stored_message& kept, const part* at) {
  const auto age = age_of(*kept.head, steady(of));
  if (age.count() > 0 && !came.fields.has("age")) came.fields.add("Age", fmt::format("{}", age.count()));
  return answer_as_sent(came.status, std::move(came.fields), kept, at, of.head_only,
                        reader_of(of, at != nullptr ? at->bytes : nullptr));
}

/// Keeps the whole that came.
stored_message keep_whole(const exchange_state& of, arrival& came, stored_head head, selection chosen,
                          std::optional<std::uint64_t> length, std::uint64_t generation) {
  stored_message made;
  head.length_bytes = length;
  remove_withheld(head);
  made.head = std::make_shared<const stored_head>(std::move(head));
  made.chosen_by = std::move(chosen);
  if (auto whole = begin_part(of, came, {0, length.value_or(version::length_unknown)}))
    made.parts.push_back(std::move(*whole));
  install(of, std::make_shared<const stored_message>(made), generation);
  of.asked.report->stored = true;
  return made;
}
const part* only_part(const stored_message& of) { return of.parts.empty() ? nullptr : &of.parts.back(); }

std::optional<http::response> take_partial(exchange_state& of, const glance& seen, const outgoing& asked,
                                           arrival came) {
  const auto brought = range_of(came);
  auto head = head_of(of, came);
  const auto chosen = selection_of(came.fields, of.asked.fields);
  const bool kept = brought && chosen && storable(head, of.asked.fields, of.directives);
  const auto& held = seen.held;
  const bool combines = kept && brought->sound && held != nullptr && held->head->status == 200 &&
                        held->length_bytes() == brought->total && same_strong_tag(*held->head, head);
  if (asked.completing && !combines) { // it is no answer to what the reader asked: the whole is asked for
    of.bypass = true;
    return std::nullopt;
  }
  if (!kept) return pass_on(of, std::move(came));

  stored_message made;
  head.length_bytes = brought->total;
  if (combines) {
    head = updated_head(of, *held->head, came);
    head.length_bytes = brought->total;
    made.parts = held->parts;
    if (made.parts.size() >= parts_limit) made.parts.erase(made.parts.begin());
  }
  remove_withheld(head);
  made.head = std::make_shared<const stored_head>(std::move(head));
  made.chosen_by = *chosen;
  const auto fresh = begin_part(of, came, brought->range);
  if (!fresh) return pass_on(of, std::move(came));
  made.parts.push_back(*fresh);
  made.whole = first_gap(made.parts, brought->total).empty();
  install(of, std::make_shared<const stored_message>(made), seen.generation);
  of.asked.report->stored = true;
  if (asked.completing) {
    auto answer = answer_held(of, made, fresh->bytes);
    of.bypass = !answer; // it brought less than it was asked for
    return answer;
  }
  return as_sent(of, came, made, &made.parts.back());
}

/// What answers our own Range and If-Range is no answer to the reader: he asks for himself.
bool refuses_completion(exchange_state& of, const outgoing& asked) {
  of.bypass = of.bypass || asked.completing;
  return asked.completing;
}

/// What a HEAD tells of the stored answer to GET (RFC 9111 §4.3.5).
void learn_from_head(const exchange_state& of, const glance& seen, const arrival& came) {
  const auto& held = seen.held;
  const auto same = [&](std::string_view name) {
    const auto told = came.fields.get(name);
    return !told || told == held->head->fields.get(name);
  };
  const auto length = length_of(came), ours = held->length_bytes();
  const bool alike = came.status == held->head->status && same("etag") && same("last-modified") &&
                     (!length || !ours || *length == *ours);
  auto head = updated_head(of, *held->head, came);
  remove_withheld(head);
  const keeping fate = judge(head, of.asked.fields, of.directives);
  if (fate == keeping::forget) give_up(of, held, seen.generation);
  if (fate != keeping::keep) return;
  stored_message next = *held;
  next.suspect = !alike;
  if (alike) next.head = std::make_shared<const stored_head>(std::move(head));
  install(of, std::make_shared<const stored_message>(std::move(next)), seen.generation);
}

} // namespace

std::optional<http::response> take_get(exchange_state& of, const glance& seen, const outgoing& asked, arrival came) {
  if (came.status == 304) {
    if (asked.validating) return take_not_modified(of, seen, came);
    if (refuses_completion(of, asked)) return std::nullopt;
    return pass_on(of, std::move(came)); // of the reader's own conditions
  }
  if (came.status == 206) return take_partial(of, seen, asked, std::move(came));
  if (came.status == 416 && refuses_completion(of, asked)) return std::nullopt;

  auto head = head_of(of, came);
  const auto chosen = selection_of(came.fields, of.asked.fields);
  const keeping fate = chosen ? judge(head, of.asked.fields, of.directives) : keeping::forget;
  if (fate != keeping::keep) {
    // What a failing origin held may be validated yet.
    if (fate == keeping::forget && !of.bypass && came.status < 500) give_up(of, seen.held, seen.generation);
    of.asked.report->passed = true;
    of.asked.report->detail = "uncacheable";
    return pass_on(of, std::move(came));
  }
  const bool bodiless = came.status == 204;
  const auto length = bodiless ? std::optional<std::uint64_t>(0) : length_of(came);
  const auto made = keep_whole(of, came, std::move(head), *chosen, length, seen.generation);
  const part* const whole = only_part(made);
  if (asked.undressed && !asked.completing) return answer_held(of, made, whole != nullptr ? whole->bytes : nullptr);
  return as_sent(of, came, made, whole);
}

http::response take_head(const exchange_state& of, const glance& seen, arrival came) {
  // With conditions for the origin, or by what the request alone provoked, nothing is said of what others get.
  const bool tells = came.status < 500 && came.status != 304 && !is_provoked(came.status);
  if (seen.held != nullptr && tells && !of.bypass) learn_from_head(of, seen, came);
  return pass_on(of, std::move(came));
}

std::optional<http::response> take_post(exchange_state& of, arrival& came) {
  auto head = head_of(of, came);
  const auto chosen = selection_of(came.fields, of.asked.fields);
  const bool kept =
      came.status == 200 && has_lifetime(head) && chosen && storable(head, of.asked.fields, of.directives);
  if (!kept) return std::nullopt;
  const auto length = length_of(came);
  const auto made = keep_whole(of, came, std::move(head), *chosen, length, look(of).generation);
  return as_sent(of, came, made, only_part(made));
}

} // namespace forebay::cache::messages
