#include "origin/web/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace forebay::origin::web {
namespace {

constexpr std::string_view forms = "no query but ?credentials=NAME, ?netrc=true and ?login=HOST: the reader's request "
                                   "brings its own";

tl::unexpected<error> invalid(std::string why) { return fail(error_kind::invalid_input, "web origin", std::move(why)); }

bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= 260 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == ':';
  });
}

result<void> set_option(options& into, std::string_view name, const std::string& value) {
  if (value.empty()) return invalid(fmt::format("expected {}", forms));
  if (name == "credentials") {
    into.credentials = value;
  } else if (name == "netrc" && (value == "true" || value == "false")) {
    into.netrc = value == "true";
  } else if (name == "login") {
    for (const std::string_view each : split(value, ',')) {
      if (!is_host(each)) return invalid("expected login=HOST, or several between commas");
      into.login.push_back(to_lower(each));
    }
  } else {
    return invalid(fmt::format("found \"{}\", expected {}", name, forms));
  }
  return {};
}

} // namespace

result<options> parse_options(std::string_view query) {
  options made;
  if (query.empty()) return made;
  for (const std::string_view pair : split(query, '&')) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto value = equals == pair.size() ? std::string() : percent_decode(pair.substr(equals + 1));
    if (!value) return invalid("a bad percent-escape");
    auto set = set_option(made, pair.substr(0, equals), *value);
    if (!set) return fail(std::move(set.error()));
  }
  if (made.login.size() > login_hosts_max) return invalid(fmt::format("more than {} login hosts", login_hosts_max));
  if (made.netrc && !made.credentials.empty()) return invalid("found both netrc and credentials, expected one of them");
  return made;
}

} // namespace forebay::origin::web
