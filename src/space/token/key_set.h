// The public keys of an issuer (RFC 7517), and signatures verified by them (RFC 7518, RFC 8037).
#pragma once

#include <memory>
#include <openssl/types.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "space/token/jwt.h"

namespace forebay::space {

/// What signatures are verified with. There is no "none" and no HMAC: whoever verifies those could also make them.
enum class jwt_algorithm { rs256, rs384, rs512, ps256, es256, es384, eddsa };
std::optional<jwt_algorithm> parse_algorithm(std::string_view name) noexcept;
/// "RS256", ... in this order.
std::vector<std::string> algorithm_names();

/// Public keys, once read. Immutable; any thread.
class key_set {
public:
  /// broken where the text is no key set or holds no key that we can use. Keys of other kinds, for encryption, too weak
  /// or malformed ones are left out; secret ones (`oct`) always.
  static result<std::shared_ptr<const key_set>> parse(std::string_view json);

  /// Whether one of the keys that the token may mean has made its signature. A key's own `alg` binds it; which kind of
  /// key an algorithm takes is ours to say, never the token's.
  bool verifies(const jwt& token) const;
  std::size_t size() const noexcept { return keys_.size(); }

private:
  struct free_key {
    void operator()(EVP_PKEY* key) const noexcept;
  };
  struct one_key {
    std::optional<std::string> kid;
    std::vector<jwt_algorithm> algorithms; ///< that it may be used with
    std::unique_ptr<EVP_PKEY, free_key> key;
  };
  static std::optional<one_key> read(const nlohmann::json& jwk);

  std::vector<one_key> keys_;
};

} // namespace forebay::space
