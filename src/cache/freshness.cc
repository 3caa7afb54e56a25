#include "cache/freshness.h"

#include <algorithm>

#include "base/text.h"

namespace forebay::cache {
namespace {

using std::chrono::seconds;

/// RFC 8246 speaks of a year; an operator's word that a key never changes counts as long.
constexpr seconds immutable_lifetime{31'536'000};
/// RFC 9111 §4.2.2 suggests a tenth; a day bounds what an old file may claim.
constexpr int heuristic_divisor = 10;
constexpr seconds heuristic_limit{86'400};
/// What was written just now is taken to hold for this long: without it each of the many small reads of a file
/// that a reader opens would ask the origin again. A name that changes faster needs a word of its origin.
constexpr seconds heuristic_floor{5};

/// The qualified form asks to leave the named fields out of what is not validated; it may be taken for the whole answer
/// (RFC 9111 §5.2.2.4).
bool must_be_validated(const stored_head& head) noexcept {
  return head.control.no_cache || !head.control.no_cache_fields.empty();
}

/// Stale is never good enough. s-maxage says so to a shared cache (RFC 9111 §5.2.2.10).
bool never_stale(const stored_head& head) noexcept {
  return head.control.must_revalidate || head.control.proxy_revalidate || head.control.s_maxage;
}

bool has_explicit_lifetime(const stored_head& head) noexcept {
  return head.control.s_maxage || head.control.max_age || head.expires_lifetime || head.control.is_public;
}

} // namespace

bool heuristically_cacheable(unsigned status) noexcept {
  switch (status) {
  case 200:
  case 203:
  case 204:
  case 206:
  case 300:
  case 301:
  case 308:
  case 404:
  case 405:
  case 410:
  case 414:
  case 501: return true;
  default: return false;
  }
}

bool storable(const stored_head& head, const space::freshness_policy& policy) {
  if (head.control.no_store) return false;
  // The qualified form keeps only the named fields from us (RFC 9111 §5.2.2.7); those are few and rare, so the
  // whole answer is left alone.
  const bool is_private = head.control.is_private || !head.control.private_fields.empty();
  if (is_private && !policy.share_private) return false;
  const auto vary = head.fields.joined("vary");
  if (vary) {
    for (const auto member : split(*vary, ',')) {
      if (trim(member) == "*") return false;
    }
  }
  return heuristically_cacheable(head.status) || has_explicit_lifetime(head);
}

std::optional<seconds> stated_lifetime(const stored_head& head, const space::freshness_policy& policy,
                                       std::string_view key) {
  if (space::matches_any(policy.immutable, key)) return immutable_lifetime;
  if (policy.ttl) return *policy.ttl;
  if (head.control.s_maxage) return *head.control.s_maxage;
  if (head.control.max_age) return *head.control.max_age;
  return head.expires_lifetime;
}

seconds guessed_lifetime(const stored_head& head, wall_time last_modified) {
  return std::clamp(seconds_between(last_modified, head.date_value) / heuristic_divisor, seconds{0}, heuristic_limit);
}

seconds freshness_lifetime(const stored_head& head, const space::freshness_policy& policy, std::string_view key) {
  if (const auto stated = stated_lifetime(head, policy, key)) return *stated;
  // Only what can be asked about again cheaply, and what has no word of its origin at all.
  const bool says_nothing = !must_be_validated(head) && !never_stale(head);
  if (!head.pinned || !says_nothing || !heuristically_cacheable(head.status)) return seconds{0};
  if (!head.validators.last_modified) return heuristic_floor;
  return std::max(guessed_lifetime(head, *head.validators.last_modified), heuristic_floor);
}

freshness decide(const stored_head& head, const space::freshness_policy& policy, std::string_view key, seconds age,
                 const http::cache_control& request) {
  const seconds lifetime = freshness_lifetime(head, policy, key);
  const seconds ttl = lifetime - age;
  if (space::matches_any(policy.immutable, key)) return {usability::fresh, std::max(ttl, seconds{1})};

  const bool operator_decides = policy.ttl.has_value(); // overrides the origin's no-cache, as documented
  const bool origin_insists = must_be_validated(head) && !operator_decides;
  const bool reader_insists = request.no_cache || (request.max_age && age > *request.max_age) ||
                              (request.min_fresh && ttl < *request.min_fresh);
  if (origin_insists || reader_insists) return {usability::must_ask, ttl};
  if (ttl > seconds{0}) return {usability::fresh, ttl};

  if (never_stale(head)) return {usability::must_ask, ttl};
  if (request.max_stale_any || (request.max_stale && -ttl <= *request.max_stale)) return {usability::fresh, ttl};
  if (head.control.stale_while_revalidate && -ttl <= *head.control.stale_while_revalidate) {
    return {usability::stale_while_revalidate, ttl};
  }
  return {usability::must_ask, ttl};
}

bool usable_on_error(const stored_head& head, const space::freshness_policy& policy, seconds ttl) {
  if ((never_stale(head) || must_be_validated(head)) && !policy.ttl) return false;
  const seconds allowed = head.control.stale_if_error.value_or(policy.stale_if_error);
  return -ttl <= allowed;
}

} // namespace forebay::cache
