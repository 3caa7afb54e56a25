// What web servers and operators' files say around a login: netrc files, Set-Cookie fields, THREDDS catalogues.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "origin/web/cookie_jar.h"
#include "origin/web/netrc.h"
#include "origin/web/thredds_catalog.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& [machine, entry] : origin::web::parse_netrc(text)) {
    if (machine.empty() || entry.login.empty()) std::abort();
  }
  if (const auto listed = origin::web::parse_thredds_catalog(text)) {
    for (const auto& each : *listed) {
      if (each.key.empty() || each.key.find('/') < each.key.size() - 1) std::abort();
    }
  }
  const auto now = wall_time(std::chrono::seconds(1'700'000'000));
  const auto from = http::parse_url("https://login.example.org/oauth/authorize");
  http::header_table fields;
  fields.add("Set-Cookie", text);
  origin::web::cookie_jar jar;
  jar.learn(*from, fields, now);
  const std::string back = jar.cookies_for(*from, now);
  if (back.find_first_of("\r\n") != std::string::npos) std::abort(); // a field must not end in a cookie
  return 0;
}
