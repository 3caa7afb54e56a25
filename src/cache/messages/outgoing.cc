#include "cache/messages/outgoing.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/text.h"
#include "http/range.h"
#include "http/via.h"

namespace forebay::cache::messages {
namespace {

/// Of this hop, or written anew by it.
constexpr std::array<std::string_view, 4> of_this_hop{"host", "expect", "content-length", "x-request-id"};

/// Applications make links, redirects and decisions of these, and no cache key holds them: a client that may write them
/// decides what others are given.
constexpr std::array<std::string_view, 14> unkeyed{"forwarded",
                                                   "x-forwarded-host",
                                                   "x-forwarded-scheme",
                                                   "x-forwarded-proto",
                                                   "x-forwarded-port",
                                                   "x-forwarded-prefix",
                                                   "x-forwarded-server",
                                                   "x-host",
                                                   "x-original-url",
                                                   "x-rewrite-url",
                                                   "x-original-host",
                                                   "x-http-method",
                                                   "x-http-method-override",
                                                   "x-method-override"};

constexpr std::array<std::string_view, 4> reader_conditions{"if-none-match", "if-modified-since", "if-range", "range"};

void undress(outgoing& made) {
  for (const std::string_view name : reader_conditions) made.undressed = made.fields.remove(name) > 0 || made.undressed;
}

/// Entity tags of all variants: a 304 tells which of them answers this request too (RFC 9111 §4.3.1).
std::string tags_of(const std::vector<std::shared_ptr<const stored_message>>& variants) {
  std::string tags;
  for (const auto& each : variants) {
    const auto tag = each->head->fields.get("etag");
    if (!tag || !each->usable() || !each->whole) continue;
    tags += (tags.empty() ? "" : ", ") + std::string(*tag);
  }
  return tags;
}

/// Adds our validators of `held`; false where it has none.
bool add_validators(http::header_table& fields, const stored_message& held) {
  const auto tag = held.head->fields.get("etag"), modified = held.head->fields.get("last-modified");
  if (tag) fields.set("If-None-Match", *tag);
  if (modified) fields.set("If-Modified-Since", *modified);
  return tag || modified;
}

} // namespace

http::header_table end_to_end(const http::header_table& request, bool from_trusted_proxy, unsigned version) {
  http::header_table fields = request;
  http::remove_hop_by_hop(fields);
  for (const std::string_view name : of_this_hop) fields.remove(name);
  if (!from_trusted_proxy)
    for (const std::string_view name : unkeyed) fields.remove(name);
  const std::string hop = http::via_member(version), before = fields.joined("via").value_or("");
  fields.set("Via", before.empty() ? hop : before + ", " + hop);
  return fields;
}

void count_forward(http::header_table& fields) {
  const auto told = fields.get("max-forwards");
  const auto left = told ? parse_u64(*told) : std::nullopt;
  if (left && *left > 0) fields.set("Max-Forwards", fmt::format("{}", *left - 1));
}

void keep_ranges(outgoing& made) {
  for (const std::string_view name : {"if-range", "range"})
    made.undressed = made.fields.remove(name) > 0 || made.undressed;
}

bool has_origin_conditions(const http::header_table& request) {
  return request.has("if-match") || request.has("if-unmodified-since");
}

outgoing plan_get(http::header_table fields, const stored_message* held, bool held_is_fresh,
                  const std::vector<std::shared_ptr<const stored_message>>& variants) {
  outgoing made{std::move(fields)};
  if (held == nullptr) {
    const bool own_conditions = std::any_of(reader_conditions.begin(), reader_conditions.end(),
                                            [&](std::string_view name) { return made.fields.has(name); });
    const std::string tags = own_conditions ? std::string() : tags_of(variants);
    if (tags.empty()) return made;
    made.fields.set("If-None-Match", tags);
    made.validating = true;
    return made;
  }
  if (held_is_fresh) { // parts of it are missing
    const auto length = held->length_bytes();
    const auto& tag = held->head->validators.tag;
    const bool combinable = !held->whole && length && tag && !tag->weak;
    if (!combinable || made.fields.has("range")) return made; // 206 answers are combined when they come
    const byte_range gap = missing_span(held->parts, *length);
    if (gap.empty()) return made;
    undress(made);
    made.fields.set("Range", gap.end == *length ? fmt::format("bytes={}-", gap.begin) : http::format_range(gap));
    made.fields.set("If-Range", tag->to_string());
    made.completing = true;
    return made;
  }
  outgoing validating = made;
  undress(validating);
  if (!add_validators(validating.fields, *held)) return made;
  validating.validating = true;
  return validating;
}

} // namespace forebay::cache::messages
