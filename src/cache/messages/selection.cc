#include "cache/messages/selection.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "http/syntax.h"

namespace forebay::cache::messages {
namespace {

/// Lists whose order means nothing and whose members know no case: they may be sorted and lowered.
bool is_preference_list(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 3> lists{"accept-language", "accept-encoding", "accept-charset"};
  return std::find(lists.begin(), lists.end(), name) != lists.end();
}

std::string without_spaces(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '\t') out += c;
  return out;
}

/// Lines combined and the white space around commas gone. A quoted string may hold both: such a value stays as it is.
std::optional<std::string> normalised(std::string_view name, const http::header_table& request) {
  auto value = request.joined(name);
  if (!value || value->find('"') != std::string::npos) return value;
  std::vector<std::string> members;
  const bool preferences = is_preference_list(name);
  http::each_member(*value, [&](std::string_view member) {
    members.push_back(preferences ? to_lower(without_spaces(member)) : std::string(member));
  });
  if (preferences) std::sort(members.begin(), members.end());
  std::string out;
  for (const std::string& each : members) out += (out.empty() ? "" : ",") + each;
  return out;
}

/// The one language that the request prefers to all others; empty where there is none.
std::string best_language(const http::header_table& request) {
  std::string best;
  double best_weight = -1;
  bool shared = false;
  http::each_member(request.joined("accept-language").value_or(""), [&](std::string_view member) {
    const std::string word = to_lower(without_spaces(member));
    const std::size_t cut = word.find(";q=");
    const double weight = cut == std::string::npos ? 1 : std::strtod(word.c_str() + cut + 3, nullptr);
    shared = weight == best_weight || (shared && weight < best_weight);
    if (weight <= best_weight) return;
    best_weight = weight;
    best = word.substr(0, cut);
  });
  return shared || best == "*" ? std::string() : best;
}

} // namespace

std::optional<selection> selection_of(const http::header_table& response, const http::header_table& request) {
  selection chosen;
  bool any = false;
  http::each_member(response.joined("vary").value_or(""), [&](std::string_view member) {
    any = any || member == "*";
    const std::string name = to_lower(member);
    const bool known = std::any_of(chosen.begin(), chosen.end(), [&](const auto& each) { return each.name == name; });
    if (!known) chosen.push_back({name, normalised(name, request)});
  });
  if (any) return std::nullopt;
  std::sort(chosen.begin(), chosen.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return chosen;
}

bool selects(const selection& chosen_by, const http::header_table& response, const http::header_table& request) {
  return std::all_of(chosen_by.begin(), chosen_by.end(), [&](const selecting_field& each) {
    if (normalised(each.name, request) == each.value) return true;
    if (each.name != "accept-language") return false;
    const auto language = response.get("content-language");
    const std::string best = best_language(request);
    return language && !best.empty() && iequals(*language, best);
  });
}

} // namespace forebay::cache::messages
