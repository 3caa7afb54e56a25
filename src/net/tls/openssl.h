// What the TLS files share of OpenSSL. For net/tls/ alone.
#pragma once

#include <memory>
#include <openssl/ssl.h>
#include <string>

namespace forebay::net {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* one) const noexcept {
    Free(one);
  }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free_all>>;
using ssl_ptr = std::unique_ptr<SSL, freed_by<SSL_free>>;
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>>;
using x509_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;

/// The library's word for the newest failure of this thread; forgets all of them. Names no key and no file's content.
std::string openssl_reason();

} // namespace forebay::net
