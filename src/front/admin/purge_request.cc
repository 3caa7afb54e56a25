#include "front/admin/purge_request.h"

#include <array>
#include <nlohmann/json.hpp>

namespace forebay::front {
namespace {

constexpr std::array<purge_request::scope, 4> scopes{purge_request::scope::object, purge_request::scope::prefix,
                                                     purge_request::scope::name_space, purge_request::scope::tag};

tl::unexpected<error> bad_purge(std::string context) {
  return fail(error_kind::invalid_input, "purge", std::move(context));
}

} // namespace

std::string_view to_string(purge_request::scope what) noexcept {
  switch (what) {
  case purge_request::scope::object: return "path";
  case purge_request::scope::prefix: return "prefix";
  case purge_request::scope::name_space: return "namespace";
  case purge_request::scope::tag: return "tag";
  }
  return "";
}

result<purge_request> parse_purge(std::string_view json) {
  const auto document = nlohmann::json::parse(json, nullptr, false);
  if (!document.is_object() || document.size() != 1) {
    return bad_purge(R"(expected one of {"path": ...}, {"prefix": ...}, {"namespace": ...}, {"tag": ...})");
  }
  const auto member = document.begin();
  for (const auto what : scopes) {
    if (member.key() != to_string(what)) continue;
    if (!member.value().is_string()) return bad_purge("expected a string as \"" + member.key() + "\"");
    purge_request wanted{what, member.value().get<std::string>()};
    const bool is_path = what != purge_request::scope::tag;
    if (wanted.value.empty() || (is_path && wanted.value.front() != '/')) {
      return bad_purge("\"" + member.key() + "\" must " + (is_path ? "begin with /" : "not be empty"));
    }
    return wanted;
  }
  return bad_purge("\"" + member.key() + "\" is unknown; expected path, prefix, namespace or tag");
}

} // namespace forebay::front
