#include "app/config_tls.h"

#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "app/config_values.h"
#include "base/clock.h"
#include "net/tls/certificate.h"

namespace forebay::app {
namespace {

std::string key_of(std::string_view group, std::size_t index, std::string_view rest) {
  return fmt::format("{}[{}].{}", group, index, rest);
}

void check_listener(const config& made, std::size_t index, bool touch_files, const report_mistake& report) {
  const listen_config& one = made.listen[index];
  const std::string clients = key_of("listen", index, "client_certificates");
  const bool known = one.client_certificates == "none" || one.client_certificates == "optional" ||
                     one.client_certificates == "required";
  if (!known) {
    report(clients, toml_string(one.client_certificates), "\"none\", \"optional\" or \"required\"");
    return;
  }
  const bool asks = one.client_certificates != "none";
  if (one.tls && made.tls.certificates.empty())
    report(key_of("listen", index, "tls"), "true, but no certificate",
           "a [[tls.certificates]] entry with cert and key");
  if (!one.tls && (asks || !one.client_ca.empty() || !one.client_names.empty())) {
    report(asks ? clients : key_of("listen", index, one.client_ca.empty() ? "client_names" : "client_ca"),
           "certificates of clients without TLS", "tls = true with it");
    return;
  }
  const std::string authorities = key_of("listen", index, "client_ca");
  if (asks && one.client_ca.empty()) report(clients, toml_string(one.client_certificates), "client_ca with it");
  if (!asks && !one.client_ca.empty())
    report(authorities, toml_string(one.client_ca), "client_certificates = \"required\" or \"optional\" with it");
  if (!asks || one.client_ca.empty() || !touch_files) return;
  const auto read = net::read_certificates(one.client_ca, "client_ca");
  if (!read)
    report(authorities, fmt::format("{} ({})", toml_string(one.client_ca), read.error().context),
           "a readable PEM file of certificates");
}

void check_certificate(const net::certificate_files& files, std::size_t index, const report_mistake& report) {
  if (files.cert.empty() || files.key.empty()) return; // told already
  const auto loaded = net::load_identity(files);
  if (!loaded) {
    const std::string& which = loaded.error().source;
    const std::string& path = which == "cert" ? files.cert : which == "key" ? files.key : files.ocsp;
    report(key_of("tls.certificates", index, which), fmt::format("{} ({})", toml_string(path), loaded.error().context),
           which == "cert"  ? "a readable PEM file with a certificate and its chain"
           : which == "key" ? "a readable PEM file with the certificate's private key"
                            : "a readable DER file with an OCSP answer");
    return;
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(system_clock().wall());
  const bool early = now < loaded->not_before;
  if (!early && now < loaded->not_after) return;
  report(key_of("tls.certificates", index, "cert"),
         fmt::format("{} (valid {} {:%Y-%m-%d %H:%M} UTC)", toml_string(files.cert), early ? "from" : "until",
                     early ? loaded->not_before : loaded->not_after),
         "a certificate that is valid today");
}

} // namespace

net::tls_server_settings tls_settings_of(const config& from, const listen_config& listener) {
  net::tls_server_settings settings;
  settings.certificates = from.tls.certificates;
  settings.only_tls13 = from.tls.minimum_version == "1.3";
  settings.in_kernel = from.tls.kernel;
  settings.protocols = {"http/1.1"};
  if (from.limits.server.http2.streams > 0) settings.protocols.insert(settings.protocols.begin(), "h2");
  if (listener.client_certificates == "optional") settings.clients = net::client_certificates::optional;
  if (listener.client_certificates == "required") settings.clients = net::client_certificates::required;
  settings.client_ca = listener.client_ca;
  settings.client_names = listener.client_names;
  return settings;
}

void check_tls(const config& made, bool touch_files, const report_mistake& report) {
  for (std::size_t i = 0; i < made.listen.size(); ++i) check_listener(made, i, touch_files, report);
  if (made.tls.minimum_version != "1.2" && made.tls.minimum_version != "1.3")
    report("tls.minimum_version", toml_string(made.tls.minimum_version), "\"1.2\" or \"1.3\"");
  for (std::size_t i = 0; i < made.tls.certificates.size() && touch_files; ++i)
    check_certificate(made.tls.certificates[i], i, report);
}

} // namespace forebay::app
