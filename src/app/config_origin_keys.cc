// Settings of origins: other places that readers are told of, certificates that origins are shown. Part of the table of
// config_keys.cc.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "app/config_check.h"
#include "app/config_keys.h"
#include "app/config_values.h"
#include "base/clock.h"
#include "net/tls/certificate.h"

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
    {"limits.host_connections", value_type::count, reload::live,
     "Concurrent exchanges with one host, of all origins that lie there; whole node.",
     AT(limits.origin.host_connections), 1, 100'000},
    {"limits.digests", value_type::count, reload::live,
     "Digests of whole objects that were computed (RFC 9530) and are remembered; the least recently used make room.",
     AT(limits.digests.remembered), 0, 100'000'000},
    {"limits.digest_answer", value_type::size, reload::live,
     "Answers up to this are read whole before they begin where their reader wants a digest that nobody gave.",
     AT(limits.digests.answer_bytes), 0, 1024.0 * 1024 * 1024},
    {"limits.digest_held_bytes", value_type::size, reload::live,
     "Bytes of all such answers that are held at once; beyond, answers go without.", AT(limits.digests.held_bytes), 0,
     1024.0 * 1024 * 1024 * 1024},
    {"credentials.client_certificate", value_type::file, reload::live,
     "HTTPS: PEM file of a certificate and its chain, shown to the origin's own host where it asks for one.",
     AT(credentials[i].certificate.cert)},
    {"credentials.client_key", value_type::file, reload::live,
     "PEM file of its private key, without a passphrase. Both files are watched (`tls.watch`).",
     AT(credentials[i].certificate.key)},
};

} // namespace

std::span<const key_info> origin_keys() noexcept { return table; }

void check_client_certificates(const config& made, bool touch_files, const report_mistake& report) {
  for (std::size_t i = 0; i < made.credentials.size(); ++i) {
    const net::certificate_files& files = made.credentials[i].certificate;
    if (files.cert.empty() && files.key.empty()) continue;
    const std::string cert = instance_of("credentials.client_certificate", i);
    if (files.cert.empty() || files.key.empty()) {
      report(files.cert.empty() ? instance_of("credentials.client_key", i) : cert,
             files.cert.empty() ? "client_key alone" : "client_certificate alone", "both or neither");
      continue;
    }
    if (!touch_files) continue;
    const auto loaded = net::load_identity(files);
    if (!loaded) {
      const bool is_key = loaded.error().source == "key";
      report(is_key ? instance_of("credentials.client_key", i) : cert,
             fmt::format("{} ({})", toml_string(is_key ? files.key : files.cert), loaded.error().context),
             is_key ? "a readable PEM file with the certificate's private key"
                    : "a readable PEM file with a certificate and its chain");
    } else if (std::chrono::floor<std::chrono::seconds>(system_clock().wall()) >= loaded->not_after) {
      report(cert, fmt::format("{} (valid until {:%Y-%m-%d %H:%M} UTC)", toml_string(files.cert), loaded->not_after),
             "a certificate that is valid today");
    }
  }
}

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
