#include "origin/origin_url.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "origin/store_url.h"

namespace forebay::origin {
namespace {

tl::unexpected<error> invalid(std::string_view url, std::string why) {
  return fail(error_kind::invalid_input, std::string(url.substr(0, url.find('?'))), std::move(why));
}

} // namespace

std::string origin_url::get(std::string_view name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string() : found->second;
}

result<origin_url> parse_origin_url(std::string_view url, std::string_view scheme,
                                    const std::vector<std::string_view>& known) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos || to_lower(url.substr(0, colon)) != scheme) {
    return invalid(url, fmt::format("expected {}://", scheme));
  }
  if (url.find('#') != std::string_view::npos) return invalid(url, "found a fragment, expected a URL without '#'");
  auto parts = parse_store_url(url);
  if (!parts) return fail(std::move(parts.error()));
  if (parts->path.find('\0') != std::string::npos) return invalid(url, "the path holds a NUL");
  origin_url parsed{std::move(parts->authority), std::move(parts->path), {}};
  for (auto& [name, value] : parts->parameters) {
    if (std::find(known.begin(), known.end(), name) == known.end()) return fail(unknown_parameter(url, name, known));
    if (!parsed.parameters.emplace(name, std::move(value)).second)
      return invalid(url, fmt::format("found {} twice", name));
  }
  return parsed;
}

} // namespace forebay::origin
