// Sockets as streams: what listener and tests share. For net/ and tests.
#pragma once

#include <memory>
#include <sys/socket.h>

#include "net/stream.h"

namespace forebay::net {

/// Takes over a connected TCP socket on the current loop.
std::unique_ptr<stream> adopt_tcp(int fd);

endpoint endpoint_of(const sockaddr_storage& address) noexcept;

} // namespace forebay::net
