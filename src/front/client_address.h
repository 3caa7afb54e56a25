// Who asks: the peer, or the client that a trusted proxy speaks for.
#pragma once

#include <vector>

#include "http/headers.h"
#include "net/address.h"

namespace forebay::front {

/// Whether `address` lies in one of `networks`.
bool is_in_one(const std::vector<net::ip_network>& networks, const net::ip_address& address) noexcept;

/// The client's address. Only where `peer` lies in `trusted` is X-Forwarded-For read, or with `by_forwarded`
/// Forwarded (RFC 7239) and nothing else, from the right, past further trusted proxies: anybody else could write what
/// they like there, and proxies pass the field that they do not write as the client wrote it. A word that is no address
/// ("unknown", "_hidden") ends the walk at the proxy that wrote it.
net::ip_address client_address(const net::ip_address& peer, const http::header_table& fields,
                               const std::vector<net::ip_network>& trusted, bool by_forwarded);

} // namespace forebay::front
