#include "origin/web/authorization.h"

#include <span>

#include "base/hash.h"

namespace forebay::origin::web {
namespace {

std::string fingerprint(const std::string& public_part) {
  const key128 print = sha256_128(public_part);
  return "web:" + hex(std::span(print.bytes).first(8));
}

} // namespace

std::string base64(std::string_view bytes) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      const bool padding = at + i > bytes.size();
      out += padding ? '=' : alphabet[group >> (18 - 6 * i) & 63];
    }
  }
  return out;
}

result<authorization> find_authorization(const std::string& name, const source_settings& settings) {
  if (name.empty()) return authorization{"", "anonymous"};
  for (const credential_entry& each : settings.credentials) {
    if (each.name != name) continue;
    // A token has no public part; its entry's name stands for it.
    if (!each.bearer_token.empty()) return authorization{"Bearer " + each.bearer_token, fingerprint("bearer:" + name)};
    if (!each.username.empty()) {
      return authorization{"Basic " + base64(each.username + ":" + each.password),
                           fingerprint("basic:" + each.username)};
    }
    return fail(error_kind::invalid_input, "credentials " + name,
                "they have no bearer_token and no username, which a web origin needs");
  }
  return fail(error_kind::invalid_input, "credentials " + name, "no [[credentials]] entry has this name");
}

} // namespace forebay::origin::web
