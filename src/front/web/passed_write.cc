#include "front/web/passed_write.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/text.h"
#include "front/other_site.h"

namespace forebay::front {
namespace {

constexpr std::array<std::string_view, 18> passed = {"accept",
                                                     "cache-control",
                                                     "cdn-loop",
                                                     "content-digest",
                                                     "content-disposition",
                                                     "content-encoding",
                                                     "content-language",
                                                     "content-md5",
                                                     "content-range",
                                                     "content-type",
                                                     "expires",
                                                     "if-match",
                                                     "if-modified-since",
                                                     "if-none-match",
                                                     "if-unmodified-since",
                                                     "repr-digest",
                                                     "user-agent",
                                                     "via"};
/// Notes that stores keep with an object, and checksums of its bytes.
constexpr std::array<std::string_view, 5> passed_beginnings = {"x-amz-checksum-", "x-amz-meta-", "x-goog-meta-",
                                                               "x-ms-meta-", "x-object-meta-"};
/// Without them the write would be another one than was meant: it is refused, not sent without.
constexpr std::array<std::string_view, 4> copies = {"x-amz-copy-source", "x-copy-from", "x-goog-copy-source",
                                                    "x-ms-copy-source"};

template <std::size_t N>
bool begins_with_one(const std::array<std::string_view, N>& beginnings, std::string_view lower) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [lower](std::string_view each) { return lower.starts_with(each); });
}

/// Files are written with the node's rights, which their operator gave it; no foreign store is misled by them.
bool shows_credentials(const origin::source& to) {
  const auto name = to.identify("", "");
  return name.kind != "file" && name.scope != "anonymous";
}

} // namespace

result<void> check_writer(const space::placement& where) {
  if (where.may_write) return {};
  if (!where.space->is_public)
    return fail(error_kind::forbidden, "namespace", "this namespace is not public, and nothing shown gives writing");
  if (where.space->public_write || !shows_credentials(*where.space->origins.front())) return {};
  return fail(error_kind::forbidden, "namespace",
              "its store would take this write for the operator's: write through the S3 listener with a key, or let "
              "everybody write with public_write = true in the configuration");
}

result<void> check_write(const http::request& asked, const space::placement& where) {
  const auto refuse = [](error_kind kind, std::string why) { return fail(kind, "namespace", std::move(why)); };
  const http::header_table& fields = asked.head.fields;
  if (where.key.empty()) return refuse(error_kind::invalid_input, "a write needs a key below the namespace's path");
  if (is_of_other_site(fields))
    return refuse(error_kind::forbidden, "pages of other sites do not write through this node");
  if (const auto may = check_writer(where); !may) return may;
  if (!where.query.empty()) return refuse(error_kind::unsupported, "parameters of writes are not passed on");
  if (asks_for_copy(fields)) return refuse(error_kind::unsupported, "copies are not passed on");
  return {};
}

bool asks_for_copy(const http::header_table& fields) {
  bool copying = false;
  fields.each([&](std::string_view name, std::string_view) { copying |= begins_with_one(copies, to_lower(name)); });
  return copying;
}

http::header_table passed_fields(const http::header_table& from) {
  http::header_table end_to_end = from, fields;
  http::remove_hop_by_hop(end_to_end);
  end_to_end.each([&](std::string_view name, std::string_view value) {
    const std::string lower = to_lower(name);
    const bool known = std::find(passed.begin(), passed.end(), lower) != passed.end();
    if (known || begins_with_one(passed_beginnings, lower)) fields.add(name, value);
  });
  return fields;
}

result<void> check_written(http::response_head& head, const std::string& source) {
  if (head.status >= 300 && head.status < 400) {
    return fail(error_kind::broken, source,
                fmt::format("the origin answered the write with {}, which is not passed on", head.status));
  }
  for (const char* address : {"Location", "Content-Location"}) head.fields.remove(address);
  return {};
}

} // namespace forebay::front
