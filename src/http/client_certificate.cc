#include "http/client_certificate.h"

#include <array>
#include <map>
#include <openssl/bio.h>
#include <openssl/pem.h>

#include "base/metrics.h"
#include "net/tls/certificate.h"

namespace forebay::http {
namespace {

struct registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<client_certificate>> known;
};
registry& all() {
  static registry one;
  return one;
}

void set_expiry(const std::string& path, std::function<double()> read) {
  const std::array<metrics::label, 1> labels{{{"certificate", path}}};
  metrics::global().set_callback("gauge", "forebay_origin_certificate_expiry_timestamp_seconds",
                                 "When a client certificate that origins are shown expires, in seconds since 1970",
                                 labels, std::move(read));
}

/// What `write` puts into a file, as text.
template <class Write>
std::string text_of(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  if (out == nullptr || !write(out.get())) return {};
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<std::size_t>(length));
}

client_pem pem_of(const net::identity& from) {
  client_pem made;
  made.certificates = text_of([&](BIO* out) {
    bool good = PEM_write_bio_X509(out, from.certificate.get()) == 1;
    for (const auto& each : from.chain) good = good && PEM_write_bio_X509(out, each.get()) == 1;
    return good;
  });
  made.key = text_of([&](BIO* out) {
    return PEM_write_bio_PrivateKey(out, from.key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  });
  return made;
}

} // namespace

client_certificate::~client_certificate() { set_expiry(files_.cert, nullptr); }

void client_certificate::register_metrics() { set_expiry("", nullptr); }

result<bool> client_certificate::load() {
  std::string stamp = net::stamp_of({files_.cert, files_.key}); // before: what is replaced meanwhile is read again
  {
    const std::lock_guard lock(mutex_);
    if (stamp == stamp_) return false;
    stamp_ = stamp; // told once, also where it cannot be loaded
  }
  const auto loaded = net::load_identity(files_);
  if (!loaded) {
    const std::string& path = loaded.error().source == "key" ? files_.key : files_.cert;
    return fail(error_kind::invalid_input, path, loaded.error().context);
  }
  auto made = std::make_shared<const client_pem>(pem_of(*loaded));
  if (made->certificates.empty() || made->key.empty())
    return fail(error_kind::internal, files_.cert, "OpenSSL did not write it");
  const auto ends = static_cast<double>(loaded->not_after.time_since_epoch().count());
  set_expiry(files_.cert, [ends] { return ends; });
  const std::lock_guard lock(mutex_);
  held_ = std::move(made);
  return true;
}

result<std::shared_ptr<client_certificate>> client_certificate::find(const net::certificate_files& files) {
  const std::lock_guard lock(all().mutex);
  auto& slot = all().known[files.cert + '\0' + files.key];
  auto found = slot.lock();
  if (found == nullptr) found = std::make_shared<client_certificate>(net::certificate_files{files.cert, files.key, ""});
  auto loaded = found->load();
  if (!loaded) return fail(std::move(loaded.error()));
  if (found->now() == nullptr) return fail(error_kind::invalid_input, files.cert, "it could not be loaded");
  slot = found;
  return found;
}

client_certificate::refreshed client_certificate::refresh() {
  refreshed outcome;
  const std::lock_guard lock(all().mutex);
  for (auto at = all().known.begin(); at != all().known.end();) {
    const auto one = at->second.lock();
    if (one == nullptr) {
      at = all().known.erase(at);
      continue;
    }
    auto loaded = one->load();
    if (!loaded)
      outcome.failures.push_back(std::move(loaded.error()));
    else if (*loaded)
      ++outcome.loaded;
    ++at;
  }
  return outcome;
}

std::shared_ptr<const client_pem> client_certificate::now() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

} // namespace forebay::http
