#include "cache/messages/rules.h"

#include "cache/freshness.h"
#include "cache/messages/outgoing.h"
#include "http/message.h"

namespace forebay::cache::messages {
namespace {

using std::chrono::seconds;

/// Kept without care, one such request takes the resource from everybody.
bool kept_by_word_alone(unsigned status) noexcept {
  return status == 400 || status == 405 || status == 413 || status == 414 || status == 431;
}

/// The answer to a condition or a range of one request, which no cache key holds.
bool of_one_request(unsigned status, const http::header_table& request) {
  if (status == 412 || status == 416) return true;
  return status >= 300 && has_origin_conditions(request);
}

bool is_understood(unsigned status) noexcept { return http::reason_phrase(status) != "Unknown"; }

} // namespace

bool has_lifetime(const stored_head& head) noexcept {
  return head.control.s_maxage || head.control.max_age || head.expires_lifetime;
}

bool is_provoked(unsigned status) noexcept { return kept_by_word_alone(status) || status == 412 || status == 416; }

keeping judge(const stored_head& head, const http::header_table& request, const http::cache_control& directives) {
  const auto& control = head.control;
  if (head.status < 200 || head.status == 304 || directives.no_store) return keeping::leave;
  if (of_one_request(head.status, request)) return keeping::leave;
  const bool shared_by_word = control.is_public || control.must_revalidate || control.s_maxage;
  if (request.has("authorization") && !shared_by_word) return keeping::leave; // §3.5
  const keeping refused = is_provoked(head.status) ? keeping::leave : keeping::forget;
  // RFC 9111 §5.2.2.3: who understands the status may leave no-store aside, who does not keeps nothing.
  if (control.must_understand ? !is_understood(head.status) : control.no_store) return refused;
  if (control.is_private) return refused;
  if (has_lifetime(head)) return keeping::keep;
  const bool usual = control.is_public || heuristically_cacheable(head.status);
  return usual && !is_provoked(head.status) ? keeping::keep : refused;
}

bool storable(const stored_head& head, const http::header_table& request, const http::cache_control& directives) {
  return judge(head, request, directives) == keeping::keep;
}

seconds lifetime(const stored_head& head, const space::freshness_policy& policy, std::string_view key) {
  if (const auto stated = stated_lifetime(head, policy, key)) return *stated;
  const bool keeps = heuristically_cacheable(head.status) && !is_provoked(head.status);
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

bool stands_in(const stored_head& head, const space::freshness_policy& policy, seconds ttl,
               const http::cache_control& directives) noexcept {
  if (forbids_stale(head)) return false;
  const seconds told = head.control.stale_if_error.value_or(policy.stale_if_error);
  return -ttl <= directives.stale_if_error.value_or(told);
}

void remove_withheld(stored_head& head) {
  for (const auto* names : {&head.control.no_cache_fields, &head.control.private_fields})
    for (const std::string& name : *names) head.fields.remove(name);
}

} // namespace forebay::cache::messages
