// IP addresses, networks and endpoints, and which of them we may speak to.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace forebay::net {

/// An IPv4 or IPv6 address; IPv4-mapped IPv6 addresses are stored as IPv4, so that a filter sees through them.
class ip_address {
public:
  static std::optional<ip_address> parse(std::string_view text);
  static ip_address from_v4(std::array<std::uint8_t, 4> bytes);
  static ip_address from_v6(std::array<std::uint8_t, 16> bytes);
  bool is_v4() const noexcept { return v4_; }
  const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; } ///< v4: the first four
  std::string to_string() const;
  friend auto operator<=>(const ip_address&, const ip_address&) = default;

private:
  bool v4_ = true;
  std::array<std::uint8_t, 16> bytes_{};
};

/// "10.0.0.0/8", "fd00::/8" or a single address.
struct ip_network {
  ip_address base;
  unsigned prefix_bits = 0;
  static std::optional<ip_network> parse(std::string_view text);
  bool contains(const ip_address& address) const noexcept;
};

struct endpoint {
  ip_address address;
  std::uint16_t port = 0;
  /// "1.2.3.4:80" or "[::1]:80".
  std::string to_string() const;
};

/// Which addresses the node may connect to on behalf of readers. Private, loopback, link-local, shared
/// (RFC 6598), multicast, unspecified and documentation ranges are refused unless a network here contains
/// them (against SSRF and DNS rebinding). Immutable once built.
struct address_policy {
  std::vector<ip_network> allowed;
  bool permits(const ip_address& address) const noexcept;
};

} // namespace forebay::net
