#include "http/targeted_control.h"

#include <algorithm>
#include <array>

#include "http/structured_field.h"
#include "http/syntax.h"

namespace forebay::http {
namespace {

using std::chrono::seconds;
namespace sf = structured;

/// In the order of preference: our own, then that of all delivery networks (RFC 9213 §3.1).
constexpr std::array<std::string_view, 2> target_list{"forebay-cache-control", "cdn-cache-control"};

constexpr std::int64_t delta_seconds_limit = 2'147'483'647;

/// A whole number of seconds, saturating; nothing for any other type: RFC 9213 §2.1 has the member ignored then.
std::optional<seconds> seconds_of(const sf::item& given) {
  const auto* number = std::get_if<std::int64_t>(&given.value);
  if (number == nullptr || *number < 0) return std::nullopt;
  return seconds(std::min(*number, delta_seconds_limit));
}

/// Whether a flag is raised. One that restricts counts whatever its value, but for an explicit false.
bool raised(const sf::item& given) noexcept {
  const auto* flag = std::get_if<bool>(&given.value);
  return flag == nullptr || *flag;
}

void take_member(cache_control& into, const sf::member& one) {
  const auto* given = std::get_if<sf::item>(&one.value);
  static const sf::item plain{true, {}};
  const sf::item& value = given != nullptr ? *given : plain; // an inner list can only restrict
  const auto is = [&](std::string_view name) { return one.key == name; };
  if (is("no-store")) into.no_store = raised(value);
  if (is("no-cache")) into.no_cache = raised(value);
  if (is("private")) into.is_private = raised(value);
  if (is("must-revalidate")) into.must_revalidate = raised(value);
  if (is("proxy-revalidate")) into.proxy_revalidate = raised(value);
  if (given == nullptr) return;
  if (is("max-age")) into.max_age = seconds_of(value);
  if (is("s-maxage")) into.s_maxage = seconds_of(value);
  if (is("stale-while-revalidate")) into.stale_while_revalidate = seconds_of(value);
  if (is("stale-if-error")) into.stale_if_error = seconds_of(value);
  if (const auto* flag = std::get_if<bool>(&value.value)) {
    if (is("public")) into.is_public = *flag;
    if (is("must-understand")) into.must_understand = *flag;
    if (is("no-transform")) into.no_transform = *flag;
    if (is("immutable")) into.immutable = *flag;
  }
}

} // namespace

effective_control effective_cache_control(const header_table& response) {
  for (const std::string_view name : target_list) {
    const auto value = response.joined(name);
    if (!value) continue;
    const auto members = sf::parse_dictionary(*value);
    if (!members || members->empty()) continue; // RFC 9213 §2.1: as if it were not there
    effective_control found{{}, true};
    for (const auto& each : *members) take_member(found.directives, each);
    return found;
  }
  return {parse_cache_control(response.joined("cache-control").value_or("")), false};
}

cache_control request_cache_control(const header_table& request) {
  const auto control = request.joined("cache-control");
  if (control) return parse_cache_control(*control);
  cache_control from_pragma;
  each_member(request.joined("pragma").value_or(""), [&](std::string_view member) {
    from_pragma.no_cache = from_pragma.no_cache || iequals(member, "no-cache");
  });
  return from_pragma;
}

} // namespace forebay::http
