#include "front/client_network.h"

#include <algorithm>

namespace forebay::front {

net::ip_address client_network(const net::ip_address& address) {
  if (address.is_v4()) return address;
  constexpr std::size_t network_bytes = 8;
  auto bytes = address.bytes();
  std::fill(bytes.begin() + network_bytes, bytes.end(), std::uint8_t{0});
  return net::ip_address::from_v6(bytes);
}

} // namespace forebay::front
