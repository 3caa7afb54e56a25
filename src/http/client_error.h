// libcurl's failures in the terms of base/result.h.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/address.h"

struct sockaddr;

namespace forebay::http {

/// What is known about an exchange when it fails.
struct exchange_state {
  std::string place;      ///< "https://host:port"
  bool connecting = true; ///< no request was sent yet
  bool head_done = false;
  std::string refused_address; ///< policy kept us from it
  std::uint64_t received_bytes = 0;
  std::optional<std::uint64_t> total_bytes;
  std::string detail; ///< libcurl's own words
  std::chrono::milliseconds connect_timeout{};
};

/// forbidden: policy; unreachable: no connection; timeout; broken: the peer broke off or broke the protocol.
error describe_failure(CURLcode code, const exchange_state& state);

/// The policy (network.allow_private) keeps us from `addresses` of `place`.
error address_refused(const std::string& place, const std::string& addresses);

/// The address in a sockaddr of IPv4 or IPv6; nothing for other families.
std::optional<net::ip_address> address_of(const sockaddr& from);

} // namespace forebay::http
