#include "http/authority.h"

#include <algorithm>

#include "base/text.h"

namespace forebay::http {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alphanumeric(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// unreserved / sub-delims of RFC 3986, without the comma.
bool is_name_character(char c) noexcept {
  return is_alphanumeric(c) || std::string_view("-._~!$&'()*+;=").find(c) != std::string_view::npos;
}

bool is_registered_name(std::string_view host) noexcept {
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (host[i] == '%') {
      if (i + 2 >= host.size() || !is_hex(host[i + 1]) || !is_hex(host[i + 2])) return false;
      i += 2;
    } else if (!is_name_character(host[i])) {
      return false;
    }
  }
  return true;
}

struct host_and_port {
  std::string_view host, port; ///< the port without its colon
  bool has_port = false;
};

/// Splits at the colon behind the host; a bracketed host may contain colons.
host_and_port split_port(std::string_view text) noexcept {
  const std::size_t bracket = text.rfind(']');
  const std::size_t from = bracket == std::string_view::npos ? 0 : bracket;
  const std::size_t colon = text.find(':', from);
  if (colon == std::string_view::npos) return {text, {}, false};
  return {text.substr(0, colon), text.substr(colon + 1), true};
}

bool is_bracketed_address(std::string_view host) noexcept {
  if (host.size() < 4 || host.front() != '[' || host.back() != ']') return false;
  const std::string_view inner = host.substr(1, host.size() - 2);
  return std::all_of(inner.begin(), inner.end(), [](char c) { return is_hex(c) || c == ':' || c == '.'; });
}

/// The port, or nothing where it is the scheme's own.
std::string_view effective_port(std::string_view port, std::string_view scheme) noexcept {
  const std::string_view usual = iequals(scheme, "https") ? "443" : "80";
  return port == usual ? std::string_view{} : port;
}

} // namespace

bool is_valid_authority(std::string_view text) noexcept {
  const host_and_port parts = split_port(text);
  if (parts.has_port) {
    if (!std::all_of(parts.port.begin(), parts.port.end(), is_digit)) return false;
    if (!parts.port.empty() && parse_u64(parts.port).value_or(65536) > 65535) return false;
  }
  return is_bracketed_address(parts.host) || is_registered_name(parts.host);
}

bool same_authority(std::string_view a, std::string_view b, std::string_view scheme) noexcept {
  const host_and_port left = split_port(a), right = split_port(b);
  return iequals(left.host, right.host) && effective_port(left.port, scheme) == effective_port(right.port, scheme);
}

std::optional<target_parts> classify_target(std::string_view method, std::string_view target) noexcept {
  if (target.find('#') != std::string_view::npos) return std::nullopt;
  if (method == "CONNECT") {
    if (target.empty() || !split_port(target).has_port || !is_valid_authority(target)) return std::nullopt;
    return target_parts{target_form::authority, {}, target};
  }
  if (!target.empty() && target.front() == '/') return target_parts{target_form::origin, {}, {}};
  if (target == "*" && method == "OPTIONS") return target_parts{target_form::asterisk, {}, {}};
  const std::size_t colon = target.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view scheme = target.substr(0, colon);
  if (!iequals(scheme, "http") && !iequals(scheme, "https")) return std::nullopt;
  std::string_view authority = target.substr(colon + 3);
  authority = authority.substr(0, authority.find_first_of("/?"));
  if (split_port(authority).host.empty() || !is_valid_authority(authority)) return std::nullopt;
  return target_parts{target_form::absolute, scheme, authority};
}

} // namespace forebay::http
