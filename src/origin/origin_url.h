// URLs of stores with parameters that are all known: kind://authority/path?parameter=value&...
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace forebay::origin {

struct origin_url {
  std::string authority;                                      ///< as written, up to the first '/'
  std::string path;                                           ///< decoded, without its leading and trailing slashes
  std::map<std::string, std::string, std::less<>> parameters; ///< decoded

  /// The value of a parameter, or empty.
  std::string get(std::string_view name) const;
};

/// invalid_input says what is off: another scheme, a bad escape, a fragment, a parameter that is not in `known` or
/// comes twice.
result<origin_url> parse_origin_url(std::string_view url, std::string_view scheme,
                                    const std::vector<std::string_view>& known);

} // namespace forebay::origin
