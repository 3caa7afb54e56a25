#include "http/cache_control.h"

#include <algorithm>

#include "base/text.h"

namespace forebay::http {
namespace {

using std::chrono::seconds;

/// What RFC 9111 §1.2.2 has for "so long that it does not matter".
constexpr std::uint64_t delta_seconds_limit = 2147483647;

/// One member of the list: `name`, `name=value` or `name="value"` (unescaped).
struct directive {
  std::string_view name;
  std::optional<std::string> value;
  bool malformed = false; ///< something stands where only "=" or "," may
};

/// Reads directives from left to right. It never gives up: a member it cannot read is passed on as malformed,
/// so that what stands behind it (a no-store, say) is still seen.
class directive_reader {
public:
  explicit directive_reader(std::string_view text) : rest_(text) {}

  std::optional<directive> next() {
    skip_empty_members();
    if (rest_.empty()) return std::nullopt;
    directive found;
    const std::size_t name_length = std::min(rest_.find_first_of("=, \t\""), rest_.size());
    found.name = rest_.substr(0, name_length);
    rest_.remove_prefix(name_length);
    if (!rest_.empty() && rest_.front() == '=') {
      rest_.remove_prefix(1);
      found.value = take_value();
    }
    const std::string_view junk = trim(take_until_comma());
    found.malformed = !junk.empty();
    return found;
  }

private:
  void skip_empty_members() {
    const std::size_t first = rest_.find_first_not_of(", \t");
    rest_.remove_prefix(std::min(first, rest_.size()));
  }
  std::string_view take_until_comma() {
    const std::size_t length = std::min(rest_.find(','), rest_.size());
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }
  std::string take_value() {
    if (!rest_.empty() && rest_.front() == '"') {
      if (auto text = take_quoted()) return std::move(*text);
      return std::string(take_until_comma()); // a quote that never closes hides nothing behind it
    }
    const std::size_t length = std::min(rest_.find_first_of(", \t\""), rest_.size());
    std::string value(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return value;
  }
  std::optional<std::string> take_quoted() {
    std::string text;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return text;
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      text += rest_[i];
    }
    return std::nullopt;
  }

  std::string_view rest_;
};

/// Digits, saturating; nothing when it is anything else.
std::optional<seconds> parse_delta(const directive& found) {
  if (found.malformed || !found.value || found.value->empty()) return std::nullopt;
  std::uint64_t total = 0;
  for (const char c : *found.value) {
    if (c < '0' || c > '9') return std::nullopt;
    total = std::min(total * 10 + static_cast<std::uint64_t>(c - '0'), delta_seconds_limit);
  }
  return seconds(total);
}

/// A lifetime in which unreadable means "none": the smallest of all that were given counts.
void take_lifetime(std::optional<seconds>& into, const directive& found) {
  const seconds given = parse_delta(found).value_or(seconds(0));
  into = into ? std::min(*into, given) : given;
}

/// A tolerance: unreadable ones do not count, the first does.
void take_tolerance(std::optional<seconds>& into, const directive& found) {
  if (!into) into = parse_delta(found);
}

/// The qualified form ("no-cache=\"set-cookie\"") narrows to fields; the plain form covers the whole message, and
/// so does a qualified form without a readable name.
void take_fields(bool& whole, std::vector<std::string>& fields, const directive& found) {
  const std::size_t before = fields.size();
  if (found.value && !found.malformed) {
    for (const std::string_view name : split(*found.value, ','))
      if (!trim(name).empty()) fields.push_back(to_lower(trim(name)));
  }
  if (fields.size() == before) whole = true;
}

void take_directive(cache_control& into, const directive& found) {
  const auto is = [&](std::string_view name) { return iequals(found.name, name); };
  if (is("max-age")) return take_lifetime(into.max_age, found);
  if (is("s-maxage")) return take_lifetime(into.s_maxage, found);
  if (is("no-store")) into.no_store = true;
  if (is("no-cache")) return take_fields(into.no_cache, into.no_cache_fields, found);
  if (is("private")) return take_fields(into.is_private, into.private_fields, found);
  if (is("public")) into.is_public = true;
  if (is("must-revalidate")) into.must_revalidate = true;
  if (is("proxy-revalidate")) into.proxy_revalidate = true;
  if (is("must-understand")) into.must_understand = true;
  if (is("no-transform")) into.no_transform = true;
  if (is("only-if-cached")) into.only_if_cached = true;
  if (is("immutable")) into.immutable = true;
  if (is("min-fresh")) return take_tolerance(into.min_fresh, found);
  if (is("stale-while-revalidate")) return take_tolerance(into.stale_while_revalidate, found);
  if (is("stale-if-error")) return take_tolerance(into.stale_if_error, found);
  if (is("max-stale")) {
    if (!found.value && !found.malformed) into.max_stale_any = true;
    take_tolerance(into.max_stale, found);
  }
}

} // namespace

cache_control parse_cache_control(std::string_view joined) {
  cache_control parsed;
  directive_reader reader(joined);
  while (const auto found = reader.next()) take_directive(parsed, *found);
  return parsed;
}

} // namespace forebay::http
