// Who asks: the peer, or the client that a trusted proxy speaks for.
#pragma once

#include <vector>

#include "http/headers.h"
#include "net/address.h"

namespace forebay::front {

/// Whether `address` lies in one of `networks`.
bool is_in_one(const std::vector<net::ip_network>& networks, const net::ip_address& address) noexcept;

/// The client's address. Only where `peer` lies in `trusted` are Forwarded (RFC 7239) or else X-Forwarded-For
/// read, from the right, past further trusted proxies; anybody else could write what they like there. A word
/// that is no address ("unknown", "_hidden") ends the walk at the proxy that wrote it.
net::ip_address client_address(const net::ip_address& peer, const http::header_table& fields,
                               const std::vector<net::ip_network>& trusted);

} // namespace forebay::front
