// The settings of what readers are told about other places of an object: part of the table of config_keys.cc.
#include "app/config_check.h"
#include "app/config_keys.h"
#include "app/config_values.h"

namespace forebay::app {
namespace {

#define AT(member) [](config& c, [[maybe_unused]] std::size_t i) -> target { return &c.member; }

constexpr key_info table[] = {
    {"namespace.tell_origins", value_type::boolean, reload::live,
     "Readers are told where its origins have an object (`Link: <URL>; rel=duplicate`, RFC 6249), of those that "
     "everybody may read.",
     AT(namespaces[i].tell_origins)},
    {"namespace.mirrors", value_type::texts, reload::live,
     "URLs below which the same keys lie for everybody: told in the same way, behind the origins.",
     AT(namespaces[i].mirrors)},
};

} // namespace

std::span<const key_info> replica_keys() noexcept { return table; }

void check_mirrors(const config& made, const report_mistake& report) {
  for (std::size_t i = 0; i < made.namespaces.size(); ++i) {
    const namespace_config& space = made.namespaces[i];
    const std::string key = instance_of("namespace.mirrors", i);
    for (std::size_t n = 0; n < space.mirrors.size(); ++n) {
      const std::string& url = space.mirrors[n];
      const auto wrong = check_origin(url);
      const bool plain = is_web(url) && url.find('?') == std::string::npos;
      if (wrong || !plain)
        report(item_of(key, n), wrong ? wrong->found : toml_string(without_userinfo(url)),
               "a URL such as https://mirror.example.org/era5");
    }
    if (space.semantics == "http" && (space.tell_origins || !space.mirrors.empty()))
      report(instance_of(space.tell_origins ? "namespace.tell_origins" : "namespace.mirrors", i),
             "other places of messages", "semantics = \"objects\": an origin's own Link passes in messages");
  }
}

} // namespace forebay::app
