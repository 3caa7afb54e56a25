// Session cookies of a login, kept in memory.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/headers.h"
#include "http/url.h"

namespace forebay::origin::web {

/// Cookies of the few hosts that take part in a login (RFC 6265, with less: a cookie goes back to the very host and
/// port that set it, whatever its Domain says). Bounded. Thread-safe.
class cookie_jar {
public:
  static constexpr std::size_t hosts_max = 16, cookies_max = 32, cookie_bytes_max = 8 * 1024;

  /// Takes the Set-Cookie fields of an answer of `from`.
  void learn(const http::url_parts& from, const http::header_table& fields, wall_time now);
  /// The value of Cookie for a request to `to`; empty: none.
  std::string cookies_for(const http::url_parts& to, wall_time now);

private:
  struct cookie {
    std::string name, value, path;
    bool secure = false;
    std::optional<wall_time> expires;
  };
  static std::optional<cookie> parse(std::string_view text, const http::url_parts& from, wall_time now);

  std::mutex mutex_;
  std::map<std::string, std::vector<cookie>, std::less<>> by_host_; ///< "scheme://host:port"
};

} // namespace forebay::origin::web
