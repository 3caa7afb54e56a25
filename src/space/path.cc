#include "space/path.h"

#include <algorithm>

#include "base/key_segments.h"
#include "base/text.h"
#include "net/address.h"

namespace forebay::space {
namespace {

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

} // namespace

result<std::string> decode_path(std::string_view path) {
  const auto invalid = [](std::string what) {
    return fail(error_kind::invalid_input, "request path", std::move(what));
  };
  if (path.empty() || path.front() != '/') return invalid("it does not begin with a slash");
  auto decoded = percent_decode(path);
  if (!decoded) return invalid("it holds a percent sign that two hexadecimal digits do not follow");
  if (leads_astray(*decoded)) return invalid("it holds a NUL byte, or a \".\" or \"..\" segment");
  return std::move(*decoded);
}

bool is_host(std::string_view text) {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == std::string_view::npos) return false;
  const std::size_t colon = text.find(':', bracket);
  std::string_view host = text.substr(0, colon);
  if (colon != std::string_view::npos) {
    const auto port = parse_u64(text.substr(colon + 1));
    if (!port || *port == 0 || *port > 65'535) return false;
  }
  if (bracket != 0) return host.size() == bracket + 1 && net::ip_address::parse(host.substr(1, bracket - 1));
  if (host.ends_with('.')) host.remove_suffix(1); // the root of DNS
  if (host.empty() || host.size() > 253) return false;
  const auto labels = split(host, '.');
  return std::all_of(labels.begin(), labels.end(), is_label);
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
