#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "front/problem.h"
#include "front/reader_admission.h"
#include "front/web/web_front.h"

namespace forebay::front {
namespace {

std::string path_of(const space::name_space& space) { return space.path.empty() ? "/" : space.path; }

using may_show = std::function<bool(const space::name_space&)>;

std::string render_html(const web_settings& settings, const may_show& known) {
  std::string list;
  for (const auto& space : settings.spaces->spaces())
    if (known(*space)) list += fmt::format("<li><code>{}</code></li>\n", xml_escape(path_of(*space)));
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Forebay {0}</title></head>\n"
      "<body><h1>Forebay node {0}</h1>\n<p>A cache of scientific data. {1}</p>\n<ul>\n{2}</ul>\n"
      "</body></html>\n",
      xml_escape(settings.node_name), xml_escape(settings.spaces->describe(known)), list);
}

std::string render_json(const web_settings& settings, const may_show& known) {
  nlohmann::ordered_json page;
  page["software"] = "forebay";
  page["version"] = FOREBAY_VERSION;
  page["node"] = to_valid_utf8(settings.node_name);
  page["namespaces"] = nlohmann::json::array();
  for (const auto& space : settings.spaces->spaces())
    if (known(*space)) page["namespaces"].push_back(to_valid_utf8(path_of(*space)));
  page["help"] = to_valid_utf8(settings.spaces->describe(known));
  return page.dump(2) + "\n";
}

} // namespace

http::response make_node_page(const web_settings& settings, const http::request& asked) {
  const auto accept = asked.head.fields.joined("accept");
  const bool html = accept && accept->find("text/html") != std::string::npos;
  const bool head_only = asked.head.method == "HEAD";
  const may_show known = [&asked](const space::name_space& one) { return may_know(asked, one); };
  auto answer = html ? make_text(200, "text/html; charset=utf-8", render_html(settings, known), head_only)
                     : make_text(200, "application/json", render_json(settings, known), head_only);
  answer.head.fields.add("Vary", "Accept");
  answer.head.fields.add("Cache-Control", "no-cache");
  return answer;
}

} // namespace forebay::front
