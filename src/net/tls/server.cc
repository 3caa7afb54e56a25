#include "net/tls/server.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <set>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/text.h"
#include "net/tls/callbacks.h"

namespace forebay::net {
namespace {

// Forward secrecy and authenticated encryption alone (RFC 9325 §4.2). With ChaCha20 first where the client says that it
// has no AES in hardware.
constexpr const char* ciphers_tls12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* groups = "X25519:P-256:P-384";
/// How long a session may be resumed without a new handshake.
constexpr std::chrono::seconds session_time{12 * 3600};

error tls_failure(std::string source, std::string_view step) {
  return {error_kind::invalid_input, std::move(source), fmt::format("{}: {}", step, openssl_reason())};
}

std::string lookup_name(std::string_view asked) {
  if (asked.ends_with('.')) asked.remove_suffix(1);
  return to_lower(asked);
}

} // namespace

std::vector<std::string> tls_server_settings::files() const {
  std::vector<std::string> all;
  for (const certificate_files& one : certificates) {
    for (const std::string* path : {&one.cert, &one.key, &one.ocsp}) all.push_back(*path);
  }
  all.push_back(client_ca);
  std::erase(all, std::string());
  return all;
}

result<std::shared_ptr<const tls_server>> tls_server::make(tls_server_settings settings,
                                                           std::shared_ptr<ticket_keys> tickets) {
  std::shared_ptr<tls_server> made(new tls_server);
  made->settings_ = std::move(settings);
  made->tickets_ = std::move(tickets);
  const auto loaded = made->load();
  if (!loaded) return fail(loaded.error());
  return made;
}

result<void> tls_server::load() {
  if (settings_.certificates.empty())
    return fail(error_kind::invalid_input, "certificates", "a TLS listener needs at least one certificate");
  for (std::size_t i = 0; i < settings_.certificates.size(); ++i) {
    auto one = load_identity(settings_.certificates[i]);
    if (!one) return fail(one.error().kind, fmt::format("{}[{}]", one.error().source, i), one.error().context);
    identities_.push_back(std::move(*one));
  }
  std::string scope =
      fmt::format("{}\n{}\n", static_cast<int>(settings_.clients), fmt::join(settings_.client_names, "\n"));
  if (settings_.clients != client_certificates::none) {
    auto authorities = read_certificates(settings_.client_ca, "client_ca");
    if (!authorities) return fail(authorities.error());
    authorities_ = std::move(*authorities);
    const auto text = read_small_file(settings_.client_ca, "client_ca");
    if (text) scope += *text;
  }
  session_scope_ = sha256(scope);
  return map_names();
}

/// For each name the certificates that have it, one for each kind of key; the default's context first.
result<void> tls_server::map_names() {
  std::map<std::vector<std::size_t>, SSL_CTX*> made;
  const auto shown_for = [this](const std::string& name) {
    std::vector<std::size_t> shown;
    std::set<std::string_view> kinds;
    for (std::size_t i = 0; i < identities_.size(); ++i) {
      const auto& names = identities_[i].names;
      const bool has = std::find(names.begin(), names.end(), name) != names.end();
      if (has && kinds.insert(identities_[i].key_kind).second) shown.push_back(i);
    }
    return shown;
  };
  for (const identity& each : identities_) {
    for (const std::string& name : each.names) {
      const std::vector<std::size_t> shown = shown_for(name);
      auto known = made.find(shown);
      if (known == made.end()) {
        auto context = make_context(shown);
        if (!context) return fail(context.error());
        contexts_.push_back(std::move(*context));
        known = made.emplace(shown, contexts_.back().get()).first;
      }
      by_name_.emplace(name, known->second);
    }
  }
  return {};
}

result<ssl_ctx_ptr> tls_server::make_context(const std::vector<std::size_t>& shown) const {
  ssl_ctx_ptr made(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = made.get();
  SSL_CTX_set_min_proto_version(context, settings_.only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA);
  if (settings_.in_kernel && kernel_tls_available()) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1); // a record's head and body in one call
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); // tickets hold the sessions
  SSL_CTX_set_timeout(context, session_time.count());
  SSL_CTX_set_session_id_context(context, session_scope_.data(), static_cast<unsigned>(session_scope_.size()));
  const bool set =
      SSL_CTX_set_cipher_list(context, ciphers_tls12) == 1 && SSL_CTX_set1_groups_list(context, groups) == 1;
  if (!set) return fail(tls_failure("tls", "ciphers"));
  for (const std::size_t index : shown) {
    const identity& one = identities_[index];
    if (SSL_CTX_use_certificate(context, one.certificate.get()) != 1)
      return fail(tls_failure(fmt::format("cert[{}]", index), "it cannot be used"));
    for (const x509_ptr& link : one.chain) {
      if (SSL_CTX_add1_chain_cert(context, link.get()) != 1)
        return fail(tls_failure(fmt::format("cert[{}]", index), "its chain cannot be used"));
    }
    if (SSL_CTX_use_PrivateKey(context, one.key.get()) != 1)
      return fail(tls_failure(fmt::format("key[{}]", index), "it cannot be used"));
  }
  install_callbacks(context);
  const auto clients = add_clients(context);
  if (!clients) return fail(clients.error());
  return made;
}

result<void> tls_server::add_clients(SSL_CTX* to) const {
  if (settings_.clients == client_certificates::none) return {};
  X509_STORE* const store = SSL_CTX_get_cert_store(to);
  for (const x509_ptr& one : authorities_) {
    const bool added = X509_STORE_add_cert(store, one.get()) == 1 && SSL_CTX_add_client_CA(to, one.get()) == 1;
    if (!added) return fail(tls_failure("client_ca", "it cannot be used"));
  }
  require_clients(to, settings_.clients == client_certificates::required);
  return {};
}

ssl_ptr tls_server::new_session() const {
  ssl_ptr made(SSL_new(contexts_.front().get()));
  if (made) SSL_set_app_data(made.get(), const_cast<tls_server*>(this)); // the callbacks read it
  return made;
}

SSL_CTX* tls_server::context_for(std::string_view asked) const {
  const std::string name = lookup_name(asked);
  if (const auto exact = by_name_.find(name); exact != by_name_.end()) return exact->second;
  // A wildcard stands for one label, the leftmost (RFC 6125 §6.4.3).
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0) return contexts_.front().get();
  const auto wild = by_name_.find("*" + name.substr(dot));
  return wild != by_name_.end() ? wild->second : contexts_.front().get();
}

bool tls_server::accepts(const std::vector<std::string>& client_names) const {
  const auto& patterns = settings_.client_names;
  if (patterns.empty()) return true;
  return std::any_of(client_names.begin(), client_names.end(), [&patterns](const std::string& name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&name](const std::string& pattern) { return glob_match(pattern, name); });
  });
}

std::string_view tls_server::choose_protocol(std::string_view offered) const noexcept {
  for (const std::string& ours : settings_.protocols) {
    for (std::string_view rest = offered; !rest.empty();) {
      const std::size_t length = static_cast<unsigned char>(rest.front());
      if (rest.size() > length && rest.substr(1, length) == ours) return ours;
      rest.remove_prefix(std::min(length + 1, rest.size()));
    }
  }
  return {};
}

const std::vector<std::uint8_t>* tls_server::staple_of(const X509* certificate) const noexcept {
  for (const identity& one : identities_) {
    if (one.certificate.get() == certificate) return one.ocsp.empty() ? nullptr : &one.ocsp;
  }
  return nullptr;
}

bool kernel_tls_available(std::string* reason) {
#ifdef OPENSSL_NO_KTLS
  if (reason != nullptr) *reason = "this OpenSSL was built without it";
  return false;
#else
  static const int number = [] {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return errno;
    const bool set = ::setsockopt(probe, SOL_TCP, TCP_ULP, "tls", sizeof "tls") == 0;
    const int failed = set ? 0 : errno;
    ::close(probe);
    return failed;
  }();
  // The kernel that has it refuses a socket without a peer, with this error.
  const bool available = number == 0 || number == ENOTCONN;
  if (!available && reason != nullptr) *reason = "the kernel has no module tls";
  return available;
#endif
}

} // namespace forebay::net
