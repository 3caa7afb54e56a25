#include "front/web/duplicates.h"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

#include "base/text.h"

namespace forebay::front {
namespace {

/// Longer ones are not told: few clients take them, and an answer's head has to stay small.
constexpr std::size_t url_bytes_max = 2'000;

void add(std::vector<std::string>& urls, std::string url) {
  if (url.empty() || url.size() > url_bytes_max) return;
  if (std::find(urls.begin(), urls.end(), url) == urls.end()) urls.push_back(std::move(url));
}

} // namespace

std::string links_to_duplicates(const space::placement& where) {
  const space::name_space& space = *where.space;
  if (where.key.empty() || !where.query.empty()) return {};
  std::vector<std::string> urls;
  if (space.tell_origins)
    for (const auto& origin : space.origins) add(urls, origin->public_url(where.key));
  for (const std::string& mirror : space.mirrors) add(urls, mirror + "/" + percent_encode(where.key, "/"));
  std::string links;
  for (std::size_t i = 0; i < urls.size(); ++i)
    links += fmt::format("{}<{}>; rel=duplicate; pri={}", i == 0 ? "" : ", ", urls[i], i + 1);
  return links;
}

} // namespace forebay::front
