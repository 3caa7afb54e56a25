#include "space/signed_url.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "space/access_rules.h"
#include "space/path.h"

namespace forebay::space {
namespace {

constexpr std::string_view key_name = "forebay-key", expires_name = "forebay-expires", below_name = "forebay-below",
                           network_name = "forebay-network", signature_name = "forebay-signature";

/// Our name that a parameter has, however it is spelt; empty for others.
std::string_view own_name(std::string_view pair) {
  const auto decoded = percent_decode(pair.substr(0, pair.find('=')));
  constexpr std::array names{key_name, expires_name, below_name, network_name, signature_name};
  const auto* const found = decoded ? std::find(names.begin(), names.end(), *decoded) : names.end();
  return found != names.end() ? *found : std::string_view();
}

tl::unexpected<error> bad_signature(std::string why) {
  return fail(error_kind::invalid_input, "signed URL", std::move(why));
}
tl::unexpected<error> refused(std::string why) { return fail(error_kind::forbidden, "signed URL", std::move(why)); }

/// Equal for all spellings of a path.
result<std::string> canonical(std::string_view path) {
  auto decoded = decode_path(path);
  if (!decoded) return decoded;
  return percent_encode(*decoded, "/");
}

result<std::string> digest(const signed_terms& terms, const signing_key& key) {
  const auto path = canonical(terms.path);
  if (!path) return path;
  const std::array<std::string_view, 8> words{"forebay-url-1",
                                              terms.method == "HEAD" ? "GET" : std::string_view(terms.method),
                                              terms.below ? "below" : "exact",
                                              *path,
                                              terms.query,
                                              terms.network ? std::string_view(*terms.network) : "",
                                              key.id,
                                              ""};
  std::string text;
  for (const std::string_view word : words) text.append(word).push_back('\n');
  text += fmt::format("{}", terms.expires);
  const auto* const secret = reinterpret_cast<const std::uint8_t*>(key.secret.data());
  return hex(hmac_sha256({secret, key.secret.size()}, text));
}

/// The value of a parameter of ours; false where it came twice or is none.
bool put(std::optional<std::string>& into, std::string_view raw) {
  auto decoded = percent_decode(raw);
  if (into || !decoded || decoded->empty()) return false;
  into = std::move(*decoded);
  return true;
}

} // namespace

result<std::optional<url_signature>> take_signature(std::string* query) {
  if (query->empty()) return std::optional<url_signature>();
  std::optional<std::string> key, expires, below, network, signature;
  std::string rest;
  bool any = false, sound = true;
  for (const std::string_view pair : split(*query, '&')) {
    const std::string_view name = own_name(pair);
    if (name.empty()) {
      if (!rest.empty()) rest += '&';
      rest += pair;
      continue;
    }
    any = true;
    const std::size_t equals = pair.find('=');
    auto& into = name == key_name       ? key
                 : name == expires_name ? expires
                 : name == below_name   ? below
                 : name == network_name ? network
                                        : signature;
    sound = equals != std::string_view::npos && put(into, pair.substr(equals + 1)) && sound;
  }
  if (!any) return std::optional<url_signature>();
  *query = std::move(rest);
  const auto end = expires ? parse_u64(*expires) : std::nullopt;
  if (!sound || !key || !end || !signature)
    return bad_signature("a signed URL has forebay-key, forebay-expires and forebay-signature, each once");
  return std::optional(
      url_signature{std::move(*key), std::move(*signature), *end, std::move(below), std::move(network)});
}

result<void> verify_signature(const url_signature& shown, const signed_request& asked,
                              const std::vector<signing_key>& keys) {
  signed_terms terms;
  terms.method = asked.method;
  terms.expires = shown.expires;
  terms.network = shown.network;
  terms.below = shown.below.has_value();
  terms.path = terms.below ? *shown.below : std::string(asked.path);
  terms.query = terms.below ? std::string() : std::string(asked.query);
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const signing_key& one) { return one.id == shown.key_id; });
  // One answer for an unknown key and a wrong signature: which keys there are is told to nobody.
  const auto right = found != keys.end() ? digest(terms, *found) : result<std::string>(refused("no key"));
  if (!right || !equal_in_constant_time(*right, shown.signature))
    return refused("it is not signed for this request by a key of this namespace");
  if (std::chrono::duration_cast<std::chrono::seconds>(asked.now.time_since_epoch()).count() >=
      static_cast<std::int64_t>(std::min<std::uint64_t>(shown.expires, 1ull << 40)))
    return refused("it has expired");
  if (terms.below) {
    const auto path = decode_path(asked.path), prefix = decode_path(terms.path);
    if (!path || !prefix || !covers(normal_prefix(*prefix), std::string_view(*path).substr(1)))
      return refused("it is for another directory");
    if (!asked.query.empty()) return refused("it is for URLs without a query");
  }
  if (terms.network) {
    const auto network = net::ip_network::parse(*terms.network);
    if (!network || !network->contains(asked.client)) return refused("it is for clients of another network");
  }
  return {};
}

result<std::string> sign_query(const signed_terms& terms, const signing_key& key) {
  if (terms.below && !terms.query.empty()) return bad_signature("what is below a path has no query");
  const auto signature = digest(terms, key);
  if (!signature) return fail(signature.error());
  std::string made = terms.query;
  const auto add = [&made](std::string_view name, std::string_view value) {
    made += fmt::format("{}{}={}", made.empty() ? "" : "&", name, percent_encode(value, "/:"));
  };
  add(key_name, key.id);
  add(expires_name, fmt::format("{}", terms.expires));
  if (terms.below) {
    // Encoded once more than a path is: parameters are decoded when they are taken.
    const auto path = canonical(terms.path);
    if (!path) return fail(path.error());
    add(below_name, *path);
  }
  if (terms.network) add(network_name, *terms.network);
  add(signature_name, *signature);
  return made;
}

} // namespace forebay::space
