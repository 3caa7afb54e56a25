#include "app/tls_terms.h"

#include <array>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <set>

#include "app/config_tls.h"
#include "base/log.h"
#include "http/client_certificate.h"

namespace forebay::app {
namespace {

constexpr std::string_view expiry_name = "forebay_tls_certificate_expiry_timestamp_seconds";
constexpr std::string_view expiry_help = "When a certificate of [tls] expires, in seconds since 1970";
/// A certificate that expires within this is spoken of. Those of ACME live 90 days (some 45) and are renewed a third
/// before their end.
constexpr std::chrono::days expiry_warning{14};

std::vector<std::string> files_of(const config& from) {
  std::set<std::string> all;
  for (const listen_config& one : from.listen) {
    if (!one.tls) continue;
    for (std::string& path : tls_settings_of(from, one).files()) all.insert(std::move(path));
  }
  return {all.begin(), all.end()};
}

void set_expiry(const std::string& certificate, std::function<double()> read) {
  const std::array<metrics::label, 1> labels{{{"certificate", certificate}}};
  metrics::global().set_callback("gauge", expiry_name, expiry_help, labels, std::move(read));
}

} // namespace

tls_terms::tls_terms(const clock& time) : clock_(time), tickets_(std::make_shared<net::ticket_keys>(time)) {
  set_expiry("", nullptr); // the family is known from the start
  http::client_certificate::register_metrics();
}
tls_terms::~tls_terms() { forget_expiry(); }

result<tls_terms::prepared> tls_terms::prepare(const config& from) {
  prepared_stamp_ = net::stamp_of(files_of(from)); // a file that is replaced meanwhile is read again
  prepared terms;
  for (const listen_config& one : from.listen) {
    if (!one.tls) {
      terms.push_back(nullptr);
      continue;
    }
    auto made = net::tls_server::make(tls_settings_of(from, one), tickets_);
    if (!made) return fail(error_kind::invalid_input, "tls", made.error().source + ": " + made.error().context);
    terms.push_back(std::move(*made));
  }
  return terms;
}

void tls_terms::publish(const config& from, prepared terms) {
  tickets_->set_rotation(from.tls.ticket_rotation);
  files_ = files_of(from);
  stamp_ = prepared_stamp_;
  tell_expiry(terms);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (terms[i] == nullptr) continue;
    const auto known = in_force_.find(i);
    if (known == in_force_.end()) {
      in_force_.emplace(i, std::make_shared<listener_terms>(std::move(terms[i])));
    } else {
      known->second->set(std::move(terms[i]));
    }
  }
}

std::shared_ptr<listener_terms> tls_terms::of(std::size_t listener) const {
  const auto found = in_force_.find(listener);
  return found != in_force_.end() ? found->second : nullptr;
}

bool tls_terms::files_changed() {
  if (files_.empty()) return false;
  std::string now = net::stamp_of(files_);
  if (now == stamp_) return false;
  stamp_ = std::move(now); // told once, also when what is there cannot be loaded
  return true;
}

void tls_terms::tell_expiry(const prepared& terms) {
  forget_expiry();
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall());
  for (const auto& one : terms) {
    if (one == nullptr) continue;
    for (const net::identity& each : one->identities()) {
      const auto at = static_cast<double>(each.not_after.time_since_epoch().count());
      set_expiry(each.files.cert, [at] { return at; });
      told_.push_back(each.files.cert);
      if (each.not_after - now < expiry_warning)
        log::warn("tls", "{} expires at {:%Y-%m-%d %H:%M} UTC", each.files.cert, each.not_after);
    }
    return; // every listener shows the same certificates
  }
}

void tls_terms::forget_expiry() {
  for (const std::string& certificate : told_) set_expiry(certificate, nullptr);
  told_.clear();
}

} // namespace forebay::app
