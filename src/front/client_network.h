// Who counts as one client where limits are per client.
#pragma once

#include "net/address.h"

namespace forebay::front {

/// The address itself for IPv4; its /64 for IPv6, of which one machine may use every address.
net::ip_address client_network(const net::ip_address& address);

} // namespace forebay::front
