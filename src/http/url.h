// Absolute URLs, read as libcurl reads them, so that what is checked is what is connected to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace forebay::http {

/// The parts of an absolute URL. Path and query are as written (percent-encoded); the fragment is gone.
struct url_parts {
  std::string scheme;       ///< lower-case
  std::string host;         ///< lower-case, IPv6 without brackets; odd spellings of IPv4 addresses normalised
  std::uint16_t port = 0;   ///< the scheme's own where none is written
  bool credentials = false; ///< there was "user:password@"
  bool zone = false;        ///< an IPv6 address with a zone
  std::string path;         ///< begins with '/'
  std::string query;        ///< without '?'

  /// "scheme://host:port", the port always written out: what connections, credentials and limits belong to.
  std::string authority() const;
};

/// invalid_input says why `url` is not an absolute URL.
result<url_parts> parse_url(std::string_view url);

/// `reference` (a Location, a link) resolved against the absolute URL `base` (RFC 3986 §5), without credentials
/// and fragment. Dot segments of the reference stay as the other side wrote them.
result<std::string> resolve_reference(std::string_view base, std::string_view reference);

} // namespace forebay::http
