#include "net/tls/callbacks.h"

#include <cstring>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509_vfy.h>

#include "net/tls/server.h"

namespace forebay::net {
namespace {

const tls_server& server_of(SSL* connection) noexcept {
  return *static_cast<const tls_server*>(SSL_get_app_data(connection));
}

int on_server_name(SSL* connection, int*, void*) {
  const char* const name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_SSL_CTX(connection, server_of(connection).context_for(name));
  return SSL_TLSEXT_ERR_OK;
}

/// A client that speaks none of our protocols is refused (RFC 7301 §3.2): what it sends would be taken for HTTP.
int on_protocols(SSL* connection, const unsigned char** chosen, unsigned char* length, const unsigned char* offered,
                 unsigned offered_length, void*) {
  const std::string_view ours =
      server_of(connection).choose_protocol({reinterpret_cast<const char*>(offered), offered_length});
  if (ours.empty()) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = reinterpret_cast<const unsigned char*>(ours.data());
  *length = static_cast<unsigned char>(ours.size());
  return SSL_TLSEXT_ERR_OK;
}

bool arm(const ticket_keys::key& with, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool seal) {
  char digest[] = "SHA256";
  auto* const secret = const_cast<unsigned char*>(with.authenticator.data());
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, with.authenticator.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
         EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, with.cipher.data(), iv, seal ? 1 : 0) == 1;
}

/// 1: the ticket can be used; 2: and is replaced by a new one; 0: no such key, a full handshake; -1: failure.
int on_ticket(SSL* connection, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
              int seal) {
  ticket_keys& keys = server_of(connection).tickets();
  if (seal != 0) {
    const auto key = keys.current();
    if (!key || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    std::memcpy(name, key->name.data(), key->name.size());
    return arm(*key, iv, cipher, mac, true) ? 1 : -1;
  }
  const auto found = keys.find(std::span<const unsigned char, 16>(name, 16));
  if (!found) return 0;
  if (!arm(found->with, iv, cipher, mac, false)) return -1;
  return found->renew ? 2 : 1;
}

int on_status(SSL* connection, void*) {
  const auto* const staple = server_of(connection).staple_of(SSL_get_certificate(connection));
  if (staple == nullptr) return SSL_TLSEXT_ERR_NOACK;
  auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(staple->data(), staple->size())); // OpenSSL frees it
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(connection, copy, static_cast<long>(staple->size()));
  return SSL_TLSEXT_ERR_OK;
}

/// After OpenSSL has verified the chain: the names. The client is told by an alert.
int on_client(int verified, X509_STORE_CTX* chain) {
  if (verified != 1 || X509_STORE_CTX_get_error_depth(chain) > 0) return verified;
  auto* const connection = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (server_of(connection).accepts(names_of(X509_STORE_CTX_get_current_cert(chain)))) return 1;
  X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

} // namespace

void install_callbacks(SSL_CTX* on) noexcept {
  SSL_CTX_set_tlsext_servername_callback(on, on_server_name);
  SSL_CTX_set_alpn_select_cb(on, on_protocols, nullptr);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(on, on_ticket);
  SSL_CTX_set_tlsext_status_cb(on, on_status);
}

void require_clients(SSL_CTX* on, bool required) noexcept {
  SSL_CTX_set_verify(on, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), on_client);
}

} // namespace forebay::net
