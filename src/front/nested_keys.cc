#include "front/nested_keys.h"

#include <algorithm>
#include <iterator>

namespace forebay::front {

std::vector<origin::list_entry> without_hidden(const space::space_map& spaces, const space::name_space& space,
                                               const std::vector<origin::list_entry>& listed) {
  std::vector<origin::list_entry> shown;
  shown.reserve(listed.size());
  std::copy_if(listed.begin(), listed.end(), std::back_inserter(shown),
               [&](const origin::list_entry& one) { return !spaces.hides(space, one.key); });
  return shown;
}

std::optional<std::string> behind_hidden(const space::space_map& spaces, const space::name_space& space,
                                         const std::string& key) {
  if (!spaces.hides(space, key)) return std::nullopt;
  constexpr std::string_view last_character = "\xf4\x8f\xbf\xbf"; // U+10FFFF: behind it no key begins alike
  for (std::size_t slash = key.find('/'); slash != std::string::npos; slash = key.find('/', slash + 1)) {
    std::string directory = key.substr(0, slash + 1);
    if (spaces.hides(space, directory)) return directory.append(last_character);
  }
  return key;
}

} // namespace forebay::front
