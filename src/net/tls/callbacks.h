// What OpenSSL asks back during a handshake; answered by the `tls_server` of the connection. For net/tls/ alone.
#pragma once

#include "net/tls/openssl.h"

namespace forebay::net {

/// SNI, ALPN, tickets and stapling.
void install_callbacks(SSL_CTX* on) noexcept;
/// Asks clients for a certificate, whose names the server then judges.
void require_clients(SSL_CTX* on, bool required) noexcept;

} // namespace forebay::net
