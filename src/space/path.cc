#include "space/path.h"

#include <algorithm>

#include "base/text.h"

namespace forebay::space {

result<std::string> decode_path(std::string_view path) {
  const auto invalid = [](std::string what) {
    return fail(error_kind::invalid_input, "request path", std::move(what));
  };
  if (path.empty() || path.front() != '/') return invalid("it does not begin with a slash");
  auto decoded = percent_decode(path);
  if (!decoded) return invalid("it holds a percent sign that two hexadecimal digits do not follow");
  if (decoded->find('\0') != std::string::npos) return invalid("it holds a NUL byte");
  for (const std::string_view segment : split(*decoded, '/')) {
    if (segment == "." || segment == "..") return invalid("it holds a \".\" or \"..\" segment");
  }
  return std::move(*decoded);
}

bool host_allowed(const std::vector<std::string>& allowed, std::string_view host) {
  const std::size_t bracket = host.rfind(']'); // the colons of an IPv6 address are no port
  const bool with_port = host.find(':', bracket == std::string_view::npos ? 0 : bracket) != std::string_view::npos;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) {
    if (entry == "*") return !with_port;
    if (!entry.starts_with("*.")) return iequals(entry, host);
    const std::string_view ending = std::string_view(entry).substr(1);
    return host.size() > ending.size() && iequals(host.substr(host.size() - ending.size()), ending);
  });
}

bool name_allowed(const std::vector<std::string>& allowed, std::string_view name) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& glob) { return glob_match(glob, name); });
}

} // namespace forebay::space
