#include "http/client_error.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <cstring>

namespace forebay::http {
namespace {

std::string truncated(const exchange_state& state) {
  if (state.total_bytes) {
    return fmt::format("the body broke off after {} of {} bytes", state.received_bytes, *state.total_bytes);
  }
  return fmt::format("the body broke off after {} bytes", state.received_bytes);
}

/// What broke on a connection that stood.
error broken_off(const exchange_state& state, const std::string& detail) {
  std::string what = state.head_done ? truncated(state) : "the connection broke before an answer came";
  return {error_kind::broken, state.place, fmt::format("{}: {}", what, detail), true};
}

/// Alerts of TLS that a server sends about its client (RFC 8446 §6.2), in OpenSSL's words.
bool refuses_our_certificate(const std::string& detail) {
  if (detail.find("alert") == std::string::npos) return false;
  for (const char* each : {"certificate required", "bad certificate", "unsupported certificate", "certificate revoked",
                           "certificate expired", "certificate unknown", "unknown ca", "access denied"}) {
    if (detail.find(each) != std::string::npos) return true;
  }
  return false;
}

} // namespace

error address_refused(const std::string& place, const std::string& addresses) {
  return {error_kind::forbidden, place,
          fmt::format("its address {} is private, local or reserved, and network.allow_private in the configuration "
                      "does not name its network",
                      addresses)};
}

error describe_failure(CURLcode code, const exchange_state& state) {
  const std::string detail = state.detail.empty() ? curl_easy_strerror(code) : state.detail;
  const auto say = [&](error_kind kind, std::string context, bool retryable) {
    return error{kind, state.place, std::move(context), retryable};
  };
  if (refuses_our_certificate(detail))
    return say(error_kind::unreachable,
               fmt::format("it does not take the certificate that this node shows, or wants one: {}", detail), false);
  switch (code) {
  case CURLE_URL_MALFORMAT:
  case CURLE_BAD_FUNCTION_ARGUMENT:
    return say(error_kind::invalid_input, fmt::format("the request cannot be sent: {}", detail), false);
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY: return say(error_kind::unreachable, fmt::format("no address: {}", detail), true);
  case CURLE_COULDNT_CONNECT:
    if (!state.refused_address.empty()) {
      return address_refused(state.place, state.refused_address);
    }
    return say(error_kind::unreachable, fmt::format("no connection: {}", detail), true);
  case CURLE_OPERATION_TIMEDOUT:
    if (state.connecting) {
      return say(error_kind::timeout, fmt::format("no connection within {} ms", state.connect_timeout.count()), true);
    }
    return say(error_kind::timeout, detail, true);
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_CRL_BADFILE:
  case CURLE_SSL_CACERT_BADFILE:
    return say(error_kind::unreachable, fmt::format("its certificate was not accepted: {}", detail), false);
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_SSL_CIPHER: return say(error_kind::unreachable, fmt::format("no TLS connection: {}", detail), true);
  case CURLE_GOT_NOTHING: return say(error_kind::broken, "the connection was closed without an answer", true);
  case CURLE_PARTIAL_FILE: return say(error_kind::broken, truncated(state), true);
  case CURLE_RECV_ERROR:
  case CURLE_SEND_ERROR:
  case CURLE_SEND_FAIL_REWIND:
    if (state.connecting) return say(error_kind::unreachable, fmt::format("no connection: {}", detail), true);
    return broken_off(state, detail);
  case CURLE_PROXY: return say(error_kind::unreachable, fmt::format("the outbound proxy failed: {}", detail), true);
  case CURLE_OUT_OF_MEMORY: return say(error_kind::exhausted, "libcurl found no memory", true);
  case CURLE_UNSUPPORTED_PROTOCOL: // what is not HTTP/1 in an answer
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_BAD_CONTENT_ENCODING:
    return say(error_kind::broken, fmt::format("the answer is not proper HTTP: {}", detail), true);
  default: return say(error_kind::broken, fmt::format("the exchange failed: {}", detail), true);
  }
}

std::optional<net::ip_address> address_of(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in&>(from).sin_addr, bytes.size());
    return net::ip_address::from_v4(bytes);
  }
  if (from.sa_family == AF_INET6) {
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, bytes.size());
    return net::ip_address::from_v6(bytes);
  }
  return std::nullopt;
}

} // namespace forebay::http
