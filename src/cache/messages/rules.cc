#include "cache/messages/rules.h"

#include "cache/freshness.h"
#include "http/message.h"

namespace forebay::cache::messages {
namespace {

using std::chrono::seconds;

/// A request that is malformed, too long or oddly made gets these for a resource that others read well: kept without
/// care, one such request takes the resource from everybody.
bool provoked_by_client(unsigned status) noexcept {
  return status == 400 || status == 405 || status == 413 || status == 414 || status == 431;
}

bool is_understood(unsigned status) noexcept { return http::reason_phrase(status) != "Unknown"; }

} // namespace

bool has_lifetime(const stored_head& head) noexcept {
  return head.control.s_maxage || head.control.max_age || head.expires_lifetime;
}

bool storable(const stored_head& head, const http::header_table& request, const http::cache_control& directives) {
  const auto& control = head.control;
  if (head.status < 200 || head.status == 304 || directives.no_store) return false;
  // RFC 9111 §5.2.2.3: who understands the status may leave no-store aside, who does not keeps nothing.
  if (control.must_understand ? !is_understood(head.status) : control.no_store) return false;
  if (control.is_private) return false;
  const bool shared_by_word = control.is_public || control.must_revalidate || control.s_maxage;
  if (request.has("authorization") && !shared_by_word) return false; // §3.5
  if (provoked_by_client(head.status)) return has_lifetime(head);
  return has_lifetime(head) || control.is_public || heuristically_cacheable(head.status);
}

seconds lifetime(const stored_head& head, const space::freshness_policy& policy, std::string_view key) {
  if (const auto stated = stated_lifetime(head, policy, key)) return *stated;
  const bool keeps = heuristically_cacheable(head.status) && !provoked_by_client(head.status);
  const bool guessable = keeps || head.control.is_public;
  // A cookie that nobody gave a lifetime was meant for one reader.
  if (!guessable || head.fields.has("set-cookie") || !head.validators.last_modified) return seconds{0};
  return guessed_lifetime(head, *head.validators.last_modified);
}

bool forbids_stale(const stored_head& head) noexcept {
  const auto& control = head.control;
  return control.must_revalidate || control.proxy_revalidate || control.s_maxage || control.no_cache;
}

verdict decide_use(const stored_head& head, const space::freshness_policy& policy, std::string_view key, seconds age,
                   const http::cache_control& directives) {
  const seconds ttl = lifetime(head, policy, key) - age;
  const bool reader_insists = directives.no_cache || (directives.max_age && age > *directives.max_age) ||
                              (directives.min_fresh && ttl < *directives.min_fresh);
  if (head.control.no_cache || reader_insists) return {use::must_ask, ttl};
  if (ttl > seconds{0}) return {use::fresh, ttl};
  if (forbids_stale(head)) return {use::must_ask, ttl};
  if (directives.max_stale_any || (directives.max_stale && -ttl <= *directives.max_stale))
    return {use::stale_allowed, ttl};
  const auto window = head.control.stale_while_revalidate;
  if (window && -ttl <= *window) return {use::stale_while_revalidate, ttl};
  return {use::must_ask, ttl};
}

bool stands_in(const stored_head& head, const space::freshness_policy& policy, seconds ttl) noexcept {
  if (forbids_stale(head)) return false;
  return -ttl <= head.control.stale_if_error.value_or(policy.stale_if_error);
}

void remove_withheld(stored_head& head) {
  for (const auto* names : {&head.control.no_cache_fields, &head.control.private_fields})
    for (const std::string& name : *names) head.fields.remove(name);
}

} // namespace forebay::cache::messages
