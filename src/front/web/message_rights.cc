#include "front/web/message_rights.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "front/notes.h"
#include "front/other_site.h"
#include "front/web/passed_write.h"

namespace forebay::front {
namespace {

/// Of these the target alone says what they are about.
constexpr std::array<std::string_view, 12> of_their_path{"GET",   "HEAD",   "OPTIONS", "PROPFIND",  "PUT",  "POST",
                                                         "PATCH", "DELETE", "MKCOL",   "PROPPATCH", "LOCK", "UNLOCK"};
constexpr std::array<std::string_view, 3> of_their_body{"SEARCH", "REPORT", "QUERY"};

/// Orders to a store that name another object.
constexpr std::array<std::string_view, 4> names_others{"destination", "x-amz-rename-source", "x-object-manifest",
                                                       "x-symlink-target"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& known, std::string_view method) noexcept {
  return std::find(known.begin(), known.end(), method) != known.end();
}

tl::unexpected<error> refuse(std::string why) {
  return fail(error_kind::forbidden, "namespace", "this namespace is not public: " + std::move(why));
}

} // namespace

bool is_message_scope(const http::request& asked, const space::name_space& space) noexcept {
  return space.meaning == space::semantics::messages && is_one_of(of_their_body, asked.head.method);
}

result<void> check_private_message(const http::request& asked) {
  const std::string& method = asked.head.method;
  const http::header_table& fields = asked.head.fields;
  const bool by_body = is_one_of(of_their_body, method);
  if (!by_body && !is_one_of(of_their_path, method)) return refuse(fmt::format("{} is not passed on", method));
  if (by_body && exchange_notes::of(asked)->signature)
    return refuse(fmt::format("a signed URL is for its path, and the body of {} may name others", method));
  const bool names =
      std::any_of(names_others.begin(), names_others.end(), [&](std::string_view name) { return fields.has(name); });
  if (names || asks_for_copy(fields)) return refuse("fields that name other objects are not passed on");
  const bool safe = by_body || method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "PROPFIND";
  if (!safe && is_of_other_site(fields)) return refuse("pages of other sites do not write through this node");
  return {};
}

} // namespace forebay::front
