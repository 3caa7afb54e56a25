#include "http/trailers.h"

#include <array>

namespace forebay::http {

void remove_unfit_trailers(header_table& fields) {
  static constexpr std::array<std::string_view, 27> unfit{"age",
                                                          "authorization",
                                                          "cache-control",
                                                          "cdn-cache-control",
                                                          "cdn-loop",
                                                          "content-encoding",
                                                          "content-length",
                                                          "content-location",
                                                          "content-range",
                                                          "content-type",
                                                          "date",
                                                          "etag",
                                                          "expect",
                                                          "expires",
                                                          "forebay-cache-control",
                                                          "host",
                                                          "last-modified",
                                                          "location",
                                                          "max-forwards",
                                                          "pragma",
                                                          "range",
                                                          "retry-after",
                                                          "set-cookie",
                                                          "vary",
                                                          "via",
                                                          "warning",
                                                          "www-authenticate"};
  remove_hop_by_hop(fields);
  for (const std::string_view name : unfit) fields.remove(name);
}

} // namespace forebay::http
