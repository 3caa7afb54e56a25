#include "cache/messages/stored_message.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "origin/source.h"

namespace forebay::cache::messages {
namespace {

/// What `stored_head` leaves to each answer, and an origin's messages keep. Cookies among them (RFC 6265 §3: they keep
/// no answer from being stored); origins that are asked with the node's credentials give none on.
constexpr std::array<std::string_view, 6> kept_as_sent{"accept-ranges", "via",        "cache-status",
                                                       "content-range", "set-cookie", "set-cookie2"};

origin::read_answer as_answer(unsigned status, const http::header_table& fields, wall_time requested,
                              wall_time received) {
  origin::read_answer answer;
  answer.status = status;
  answer.fields = fields;
  answer.requested = requested;
  answer.received = received;
  return answer;
}

void copy_lines(const http::header_table& from, std::string_view name, http::header_table& to) {
  from.each([&](std::string_view each, std::string_view value) {
    if (iequals(each, name)) to.add(each, value);
  });
}

} // namespace

std::optional<std::uint64_t> stored_message::length_bytes() const {
  if (head->length_bytes) return head->length_bytes;
  if (parts.empty()) return whole ? std::optional<std::uint64_t>(0) : std::nullopt;
  if (!whole || parts.front().end() == version::length_unknown) return std::nullopt;
  return parts.front().end();
}

std::uint64_t stored_message::head_bytes() const {
  constexpr std::uint64_t apiece = 32; // of a field or a tag, beside its text
  std::uint64_t bytes = sizeof(stored_message) + sizeof(stored_head) + parts.size() * sizeof(part);
  for (const auto* const fields : {&head->fields, &head->whole_fields})
    fields->each([&](std::string_view name, std::string_view value) { bytes += name.size() + value.size() + apiece; });
  if (head->rendered != nullptr) bytes += head->rendered->size();
  for (const auto& tag : head->tags) bytes += tag.size() + apiece;
  for (const auto& field : chosen_by) bytes += field.name.size() + field.value.value_or("").size() + apiece;
  return bytes;
}

bool stored_message::usable() const {
  return std::all_of(parts.begin(), parts.end(), [](const part& each) { return each.bytes->usable(); });
}

std::optional<std::vector<piece>> pieces_of(const std::vector<part>& parts, byte_range range) {
  std::vector<piece> found;
  std::uint64_t at = range.begin;
  while (at < range.end) {
    const part* best = nullptr;
    for (const part& each : parts) {
      const bool holds = each.range.begin <= at && at < each.end();
      if (holds && (best == nullptr || each.end() > best->end())) best = &each;
    }
    if (best == nullptr) return std::nullopt;
    const std::uint64_t end = std::min(best->end(), range.end);
    found.push_back({best->bytes, {at - best->range.begin, end - best->range.begin}});
    at = end;
  }
  return found;
}

byte_range first_gap(const std::vector<part>& parts, std::uint64_t length) {
  std::uint64_t at = 0;
  for (bool moved = true; moved && at < length;) {
    moved = false;
    for (const part& each : parts) {
      if (each.range.begin > at || each.end() <= at) continue;
      at = each.end();
      moved = true;
    }
  }
  if (at >= length) return {};
  std::uint64_t end = length;
  for (const part& each : parts)
    if (each.range.begin > at) end = std::min(end, each.range.begin);
  return {at, end};
}

byte_range missing_span(const std::vector<part>& parts, std::uint64_t length) {
  byte_range span = first_gap(parts, length);
  if (span.empty()) return span;
  span.end = length;
  for (bool moved = true; moved;) {
    moved = false;
    for (const part& each : parts) {
      if (each.end() < span.end || each.range.begin >= span.end) continue;
      span.end = each.range.begin;
      moved = true;
    }
  }
  return span;
}

stored_head head_of(unsigned status, const http::header_table& fields, wall_time requested, wall_time received,
                    steady_time now) {
  auto head = make_stored_head(as_answer(status, fields, requested, received), now);
  for (const std::string_view name : kept_as_sent) {
    if (status == 206 && name == "content-range") continue;
    copy_lines(fields, name, head.fields);
  }
  return head;
}

stored_head updated_head(const stored_head& old, const http::header_table& fields, wall_time requested,
                         wall_time received, steady_time now) {
  auto head = refreshed_head(old, as_answer(304, fields, requested, received), now);
  // Bodies are held as they came: nothing of them was decoded, so these are updated like any other field.
  for (const std::string_view name : {"set-cookie", "set-cookie2"}) {
    if (!fields.has(name)) continue;
    head.fields.remove(name);
    copy_lines(fields, name, head.fields);
  }
  for (const std::string_view name : {"content-type", "content-md5"}) {
    const auto value = fields.get(name);
    if (!value) continue;
    auto& where = old.whole_fields.has(name) ? head.whole_fields : head.fields;
    where.set(name, *value);
  }
  return head;
}

bool same_strong_tag(const stored_head& a, const stored_head& b) {
  return a.validators.tag && b.validators.tag && http::strong_match(*a.validators.tag, *b.validators.tag);
}

} // namespace forebay::cache::messages
