// The member of Via that this program adds (RFC 9110 §7.6.3).
#pragma once

#include <string>
#include <string_view>

#include "http/headers.h"

namespace forebay::http {

/// "1.1 forebay", with the version in which the message came (10, 11 or 20).
inline std::string via_member(unsigned version) {
  const std::string_view protocol = version >= 20 ? "2" : version == 10 ? "1.0" : "1.1";
  return std::string(protocol) + " forebay";
}

/// Whether the last member of Via is ours already: who took the request in knows in which version it came.
inline bool told_by_us(const header_table& fields) {
  const auto told = fields.joined("via");
  return told && told->ends_with(" forebay");
}

} // namespace forebay::http
