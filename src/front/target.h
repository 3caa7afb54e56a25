// The target of a request: path and query as the client spelt them (RFC 9112 §3.2).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace forebay::front {

/// A target taken apart. Nothing is decoded: below, a key is decoded once, and a query is passed on as it came.
struct target {
  std::string path;  ///< begins with '/', or is "*" (OPTIONS alone)
  std::string query; ///< without '?'
};

/// Reads origin-form, absolute-form (its authority was compared with Host by the parser) and asterisk-form;
/// invalid_input for anything else. A fragment, which no client may send, is refused as well.
result<target> parse_target(std::string_view text);

/// Paths of the admin listener; a listener that serves data as well gives them to it.
bool is_admin_path(std::string_view path) noexcept;

/// `target` for logs: values of query parameters that are secrets (signatures, tokens) are replaced by "***".
std::string mask_target(std::string_view text);

/// Whether a raw query has such a parameter.
bool holds_secret(std::string_view query);

} // namespace forebay::front
