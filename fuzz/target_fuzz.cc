// Request targets, paths and URLs: what is decoded is decoded once and leads nowhere else, what is resolved can be read
// again and names the same place.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "front/target.h"
#include "http/authority.h"
#include "http/client_target.h"
#include "http/url.h"
#include "space/path.h"

namespace {

using namespace forebay;

void check_target(std::string_view text) {
  const auto parsed = front::parse_target(text);
  if (!parsed) return;
  if (parsed->path != "*" && parsed->path.front() != '/') std::abort();
  if (parsed->path.find('?') != std::string::npos) std::abort();
  const std::string masked = front::mask_target(text);
  if (masked.substr(0, masked.find('?')) != text.substr(0, text.find('?'))) std::abort();
}

void check_path(std::string_view text) {
  const auto decoded = space::decode_path(text);
  if (!decoded) return;
  if (decoded->front() != '/' || decoded->find('\0') != std::string::npos) std::abort();
  for (const std::string_view segment : split(*decoded, '/')) {
    if (segment == "." || segment == "..") std::abort();
  }
  // What goes to an origin means the same bytes again, and no more than them.
  const std::string encoded = percent_encode(*decoded, "/");
  const auto again = percent_decode(encoded);
  if (!again || *again != *decoded || encoded.find_first_of("?#\r\n ") != std::string::npos) std::abort();
}

void check_url(std::string_view text) {
  if (const auto parts = http::parse_url(text)) {
    if (parts->path.empty() || parts->path.front() != '/') std::abort();
    if (to_lower(parts->host) != parts->host || to_lower(parts->scheme) != parts->scheme) std::abort();
  }
  if (const auto target = http::parse_target(text)) {
    const auto again = http::parse_target(target->authority + "/");
    if (!again || again->authority != target->authority || again->literal != target->literal) std::abort();
  }
  const auto resolved = http::resolve_reference("https://origin.example:8443/a/b?c", text);
  if (!resolved) return;
  const auto parts = http::parse_url(*resolved);
  if (parts && parts->credentials) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_target(text);
  check_path(text);
  check_url(text);
  const auto parts = http::classify_target("GET", text);
  if (parts && parts->form == http::target_form::absolute && !http::is_valid_authority(parts->authority)) std::abort();
  return 0;
}
