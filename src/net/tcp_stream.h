// Addresses as the system has them. For net/ and tests.
#pragma once

#include <sys/socket.h>

#include "net/address.h"

namespace forebay::net {

endpoint endpoint_of(const sockaddr_storage& address) noexcept;

} // namespace forebay::net
