#include "net/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

#include "base/text.h"

namespace forebay::net {
namespace {

/// ::ffff:0:0/96 (RFC 4291 §2.5.5.2): an IPv4 address in IPv6 clothes.
bool is_v4_mapped(const std::array<std::uint8_t, 16>& bytes) {
  return std::all_of(bytes.begin(), bytes.begin() + 10, [](std::uint8_t b) { return b == 0; }) && bytes[10] == 0xff &&
         bytes[11] == 0xff;
}

ip_address embedded_v4(const ip_address& address, std::size_t at) {
  const auto& b = address.bytes();
  return ip_address::from_v4({b[at], b[at + 1], b[at + 2], b[at + 3]});
}

ip_network network(const char* text) {
  return *ip_network::parse(text); // only the literals below come here; the policy test reads them all
}

/// What is not the public Internet: IANA's special-purpose registries (RFC 6890 and its updates), multicast,
/// and addresses at which clouds answer questions about the machine itself.
const std::vector<ip_network>& refused_v4() {
  static const std::vector<ip_network> table = {
      network("0.0.0.0/8"),        // this network (RFC 791)
      network("10.0.0.0/8"),       // private (RFC 1918)
      network("100.64.0.0/10"),    // shared, carrier NAT (RFC 6598); also Alibaba's metadata service
      network("127.0.0.0/8"),      // loopback
      network("168.63.129.16/32"), // Azure's platform service, outside every reserved range
      network("169.254.0.0/16"),   // link-local; metadata services of AWS, GCP, Azure, OpenStack
      network("172.16.0.0/12"),    // private
      network("192.0.0.0/24"),     // IETF protocol assignments; Oracle's metadata service
      network("192.0.2.0/24"),     // documentation (RFC 5737)
      network("192.88.99.0/24"),   // 6to4 relays, retired (RFC 7526)
      network("192.168.0.0/16"),   // private
      network("198.18.0.0/15"),    // benchmarks (RFC 2544)
      network("198.51.100.0/24"),  // documentation
      network("203.0.113.0/24"),   // documentation
      network("224.0.0.0/4"),      // multicast
      network("240.0.0.0/4"),      // reserved, and the broadcast address
  };
  return table;
}

const std::vector<ip_network>& refused_v6() {
  static const std::vector<ip_network> table = {
      network("::/96"),           // unspecified, loopback, IPv4-compatible (retired)
      network("::ffff:0:0:0/96"), // IPv4-translated (RFC 2765)
      network("64:ff9b:1::/48"),  // local NAT64 (RFC 8215): says nothing of where it leads
      network("100::/64"),        // discard (RFC 6666)
      network("2001::/23"),       // IETF protocol assignments, Teredo among them
      network("2001:db8::/32"),   // documentation (RFC 3849)
      network("3fff::/20"),       // documentation (RFC 9637)
      network("5f00::/16"),       // segment routing (RFC 9602)
      network("fc00::/7"),        // unique local (RFC 4193); AWS' metadata service fd00:ec2::254
      network("fe80::/10"),       // link-local
      network("fec0::/10"),       // site-local, retired
      network("ff00::/8"),        // multicast
  };
  return table;
}

bool contained(const std::vector<ip_network>& table, const ip_address& address) {
  return std::any_of(table.begin(), table.end(), [&](const ip_network& each) { return each.contains(address); });
}

/// The IPv4 address behind a translating prefix, through which a private one could be reached.
std::optional<ip_address> translated_v4(const ip_address& address) {
  static const ip_network nat64 = network("64:ff9b::/96");
  static const ip_network six_to_four = network("2002::/16");
  if (nat64.contains(address)) return embedded_v4(address, 12);
  if (six_to_four.contains(address)) return embedded_v4(address, 2);
  const auto& b = address.bytes();
  const bool isatap = (b[8] == 0x00 || b[8] == 0x02) && b[9] == 0x00 && b[10] == 0x5e && b[11] == 0xfe; // RFC 5214
  if (isatap) return embedded_v4(address, 12);
  return std::nullopt;
}

} // namespace

std::optional<ip_address> ip_address::parse(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
    if (text.find(':') == std::string_view::npos) return std::nullopt;
  }
  if (text.empty() || text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  char terminated[INET6_ADDRSTRLEN] = {};
  std::memcpy(terminated, text.data(), text.size());
  if (std::strlen(terminated) != text.size()) return std::nullopt; // an embedded NUL
  std::array<std::uint8_t, 4> v4{};
  if (inet_pton(AF_INET, terminated, v4.data()) == 1) return from_v4(v4);
  std::array<std::uint8_t, 16> v6{};
  if (inet_pton(AF_INET6, terminated, v6.data()) == 1) return from_v6(v6);
  return std::nullopt;
}

ip_address ip_address::from_v4(std::array<std::uint8_t, 4> bytes) {
  ip_address made;
  made.v4_ = true;
  std::copy(bytes.begin(), bytes.end(), made.bytes_.begin());
  return made;
}

ip_address ip_address::from_v6(std::array<std::uint8_t, 16> bytes) {
  if (is_v4_mapped(bytes)) return from_v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  ip_address made;
  made.v4_ = false;
  made.bytes_ = bytes;
  return made;
}

std::string ip_address::to_string() const {
  if (v4_) { // inet_ntop prints by printf
    std::string text;
    for (const std::uint8_t byte : std::span(bytes_).first(4)) {
      if (!text.empty()) text += '.';
      if (byte >= 100) text += static_cast<char>('0' + byte / 100);
      if (byte >= 10) text += static_cast<char>('0' + byte / 10 % 10);
      text += static_cast<char>('0' + byte % 10);
    }
    return text;
  }
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

std::optional<ip_network> ip_network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto base = ip_address::parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  const unsigned whole = base->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return ip_network{*base, whole};
  auto bits = parse_u64(text.substr(slash + 1));
  if (!bits) return std::nullopt;
  // "::ffff:10.0.0.0/104" is 10.0.0.0/8: its base was stored as IPv4.
  const bool mapped = base->is_v4() && text.find(':') != std::string_view::npos;
  if (mapped) {
    if (*bits < 96) return std::nullopt;
    *bits -= 96;
  }
  if (*bits > whole) return std::nullopt;
  return ip_network{*base, static_cast<unsigned>(*bits)};
}

bool ip_network::contains(const ip_address& address) const noexcept {
  if (address.is_v4() != base.is_v4()) return false;
  const unsigned whole_bytes = prefix_bits / 8;
  const unsigned rest_bits = prefix_bits % 8;
  const auto& a = address.bytes();
  const auto& b = base.bytes();
  if (!std::equal(a.begin(), a.begin() + whole_bytes, b.begin())) return false;
  if (rest_bits == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest_bits));
  return (a[whole_bytes] & mask) == (b[whole_bytes] & mask);
}

std::string endpoint::to_string() const {
  const std::string text = address.to_string();
  return (address.is_v4() ? text : "[" + text + "]") + ":" + std::to_string(port);
}

bool address_policy::permits(const ip_address& address) const noexcept {
  if (contained(allowed, address)) return true;
  if (address.is_v4()) return !contained(refused_v4(), address);
  if (const auto inner = translated_v4(address)) {
    if (!permits(*inner)) return false;
  }
  return !contained(refused_v6(), address);
}

} // namespace forebay::net
