#include "front/other_site.h"

#include "base/text.h"

namespace forebay::front {

bool is_of_other_site(const http::header_table& fields) {
  const auto page = fields.get("origin");
  if (!page) return false;
  const std::size_t end = page->find("://");
  const std::string_view host = end == std::string_view::npos ? std::string_view{} : page->substr(end + 3);
  return host.empty() || !iequals(host, fields.get("host").value_or(""));
}

} // namespace forebay::front
