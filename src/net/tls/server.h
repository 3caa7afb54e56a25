// The server's side of TLS: which certificate for which name, who may come in.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/stream.h"
#include "net/tls/certificate.h"
#include "net/tls/tickets.h"

namespace forebay::net {

/// What is asked of clients.
enum class client_certificates { none, optional, required };

struct tls_server_settings {
  std::vector<certificate_files> certificates; ///< the first is shown where no other fits
  bool only_tls13 = false;                     ///< else TLS 1.2 too
  bool in_kernel = true;                       ///< kTLS, where kernel and library have it
  std::vector<std::string> protocols;          ///< ALPN, most wanted first: "h2", "http/1.1"
  client_certificates clients = client_certificates::none;
  std::string client_ca;                 ///< PEM: authorities of client certificates
  std::vector<std::string> client_names; ///< patterns as of `glob_match`; empty: any name
  /// Every file named above.
  std::vector<std::string> files() const;
};

/// Settings with everything they name loaded: immutable, shared by all loops. A reload makes another one; connections
/// keep theirs.
class tls_server {
public:
  /// A failure's `source` says which file: "cert[0]", "key[0]", "ocsp[0]" or "client_ca". Blocks on the disk.
  static result<std::shared_ptr<const tls_server>> make(tls_server_settings settings,
                                                        std::shared_ptr<ticket_keys> tickets);

  const tls_server_settings& settings() const noexcept { return settings_; }
  const std::vector<identity>& identities() const noexcept { return identities_; }

  /// A connection to come, for accept_tls.
  ssl_ptr new_session() const;
  /// What is shown to who asks for `name`: never null.
  SSL_CTX* context_for(std::string_view name) const;
  /// Whether a client that has these names may come in.
  bool accepts(const std::vector<std::string>& client_names) const;
  /// The first of `settings().protocols` that the client offers (in ALPN's wire form); empty: none.
  std::string_view choose_protocol(std::string_view offered) const noexcept;
  /// The staple of a certificate; null: none.
  const std::vector<std::uint8_t>* staple_of(const X509* certificate) const noexcept;
  ticket_keys& tickets() const noexcept { return *tickets_; }

private:
  tls_server() = default;
  result<void> load();
  result<ssl_ctx_ptr> make_context(const std::vector<std::size_t>& shown) const;
  result<void> map_names();
  result<void> add_clients(SSL_CTX* to) const;

  tls_server_settings settings_;
  std::shared_ptr<ticket_keys> tickets_;
  std::vector<identity> identities_;
  std::vector<x509_ptr> authorities_;
  std::array<std::uint8_t, 32> session_scope_{}; ///< sessions of other terms are not resumed
  std::vector<ssl_ctx_ptr> contexts_;            ///< the first is the default
  std::map<std::string, SSL_CTX*, std::less<>> by_name_;
};

/// Whether the kernel and this OpenSSL can encrypt in the kernel (asked once); else why not, in `reason`.
bool kernel_tls_available(std::string* reason = nullptr);

/// Takes a plain connection over and shakes hands. `timeout` when that took too long, `forbidden` when the client's
/// certificate is missing or refused, `broken` for what is not TLS as we speak it. The connection has ended then.
task<result<std::unique_ptr<stream>>> accept_tls(std::unique_ptr<stream> plain, std::shared_ptr<const tls_server> with,
                                                 deadline until);

} // namespace forebay::net
