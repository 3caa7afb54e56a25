// Who a request is addressed to: Host and the forms of a request target (RFC 9110 §7.2, RFC 9112 §3.2).
#pragma once

#include <optional>
#include <string_view>

namespace forebay::http {

/// True for `uri-host [":" port]` (RFC 3986 §3.2.2): a registered name, an IPv4 address or a bracketed IPv6
/// address, no user information. An empty host is allowed (RFC 9112 §3.2). A comma is not: it would be what two
/// Host fields joined look like.
bool is_valid_authority(std::string_view text) noexcept;

/// Equality of two valid authorities of one scheme: host names in any case, the scheme's own port left out or not.
bool same_authority(std::string_view a, std::string_view b, std::string_view scheme) noexcept;

enum class target_form { origin, absolute, authority, asterisk };

struct target_parts {
  target_form form;
  std::string_view scheme, authority; ///< of the absolute form; `authority` also of the authority form
};

/// The form that `method` may use for `target`; nothing when it is none of them. Schemes other than http and
/// https, user information and fragments are refused.
std::optional<target_parts> classify_target(std::string_view method, std::string_view target) noexcept;

} // namespace forebay::http
