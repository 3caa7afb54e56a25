// Request paths as keys: decoded once, without tricks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace forebay::space {

/// `path` (raw, beginning with '/') percent-decoded once. An encoded slash becomes the byte '/', as it is in the
/// key it spells; empty segments ("//") stay. invalid_input for bad escapes, NUL, and "." or ".." between slashes,
/// however they were written: no store and no prefix rule then sees a way up.
result<std::string> decode_path(std::string_view path);

/// True for "name", "name:port", "192.0.2.1", "[2001:db8::1]:port": labels of letters, digits, '-' and '_' of up to 63
/// bytes that no '-' begins or ends, 253 in all (RFC 1123 §2.1; '_' is in use), and ports from 1 to 65535.
bool is_host(std::string_view text);

/// True where an allow-list names `host` ("data.example.org" or "data.example.org:8443"): an equal entry,
/// "*.example.org" for what ends in ".example.org", "*" for every host at its usual port. Case does not count.
bool host_allowed(const std::vector<std::string>& allowed, std::string_view host);

/// True where a glob of the list matches (buckets, accounts).
bool name_allowed(const std::vector<std::string>& allowed, std::string_view name);

} // namespace forebay::space
