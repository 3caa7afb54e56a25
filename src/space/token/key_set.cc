#include "space/token/key_set.h"

#include <algorithm>
#include <array>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "space/token/strict_json.h"

namespace forebay::space {
namespace {

constexpr std::size_t keys_max = 64; ///< issuers publish a handful; a token without a name is tried with each
constexpr int rsa_bits_min = 2048, rsa_bits_max = 8192;

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* one) const noexcept {
    Free(one);
  }
};
using build_ptr = std::unique_ptr<OSSL_PARAM_BLD, freed_by<OSSL_PARAM_BLD_free>>;
using param_ptr = std::unique_ptr<OSSL_PARAM, freed_by<OSSL_PARAM_free>>;
using number_ptr = std::unique_ptr<BIGNUM, freed_by<BN_free>>;
using key_context_ptr = std::unique_ptr<EVP_PKEY_CTX, freed_by<EVP_PKEY_CTX_free>>;
using digest_context_ptr = std::unique_ptr<EVP_MD_CTX, freed_by<EVP_MD_CTX_free>>;
using ecdsa_ptr = std::unique_ptr<ECDSA_SIG, freed_by<ECDSA_SIG_free>>;

struct algorithm_row {
  std::string_view name;
  jwt_algorithm what;
  const char* digest; ///< null: the algorithm has its own
  std::size_t coordinate_bytes;
};
constexpr std::array<algorithm_row, 7> algorithms{{{"RS256", jwt_algorithm::rs256, "SHA256", 0},
                                                   {"RS384", jwt_algorithm::rs384, "SHA384", 0},
                                                   {"RS512", jwt_algorithm::rs512, "SHA512", 0},
                                                   {"PS256", jwt_algorithm::ps256, "SHA256", 0},
                                                   {"ES256", jwt_algorithm::es256, "SHA256", 32},
                                                   {"ES384", jwt_algorithm::es384, "SHA384", 48},
                                                   {"EdDSA", jwt_algorithm::eddsa, nullptr, 0}}};
const algorithm_row& row_of(jwt_algorithm what) noexcept { return algorithms[static_cast<std::size_t>(what)]; }

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::optional<std::string> member(const nlohmann::json& jwk, const char* name) {
  const auto found = jwk.find(name);
  if (found == jwk.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}
std::optional<std::string> decoded(const nlohmann::json& jwk, const char* name) {
  const auto text = member(jwk, name);
  auto bytes = text ? base64url_decode(*text) : std::nullopt;
  return bytes && !bytes->empty() ? std::move(bytes) : std::nullopt;
}

EVP_PKEY* make_key(const char* kind, OSSL_PARAM* with) {
  const key_context_ptr context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* made = nullptr;
  const bool good = context != nullptr && with != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                    EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, with) == 1;
  ERR_clear_error();
  return good ? made : nullptr;
}

EVP_PKEY* make_rsa(const nlohmann::json& jwk) {
  const auto modulus = decoded(jwk, "n"), exponent = decoded(jwk, "e");
  constexpr std::size_t exponent_bytes_max = 8; // a huge one makes each verification slow
  if (!modulus || !exponent || modulus->size() > rsa_bits_max / 8 + 1 || exponent->size() > exponent_bytes_max)
    return nullptr;
  const number_ptr n(BN_bin2bn(bytes_of(*modulus), static_cast<int>(modulus->size()), nullptr));
  const number_ptr e(BN_bin2bn(bytes_of(*exponent), static_cast<int>(exponent->size()), nullptr));
  const bool sane = n && e && BN_num_bits(n.get()) >= rsa_bits_min && BN_num_bits(n.get()) <= rsa_bits_max &&
                    BN_is_odd(n.get()) == 1 && BN_is_odd(e.get()) == 1 && BN_is_one(e.get()) == 0;
  const build_ptr build(OSSL_PARAM_BLD_new());
  if (!sane || build == nullptr || OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    return nullptr;
  const param_ptr with(OSSL_PARAM_BLD_to_param(build.get()));
  return make_key("RSA", with.get());
}

/// OpenSSL refuses points that are not on the curve.
EVP_PKEY* make_ec(const nlohmann::json& jwk, const char* curve, std::size_t coordinate_bytes) {
  const auto x = decoded(jwk, "x"), y = decoded(jwk, "y");
  if (!x || !y || x->size() != coordinate_bytes || y->size() != coordinate_bytes) return nullptr;
  std::string name(curve), point = '\x04' + *x + *y; // SEC 1 §2.3.3: not compressed
  std::array<OSSL_PARAM, 3> with{OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size()),
                                 OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
                                 OSSL_PARAM_construct_end()};
  return make_key("EC", with.data());
}

EVP_PKEY* make_ed25519(const nlohmann::json& jwk) {
  auto x = decoded(jwk, "x");
  constexpr std::size_t point_bytes = 32;
  if (!x || x->size() != point_bytes) return nullptr;
  return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x), x->size());
}

/// Signatures of JWTs are the two numbers beside each other (RFC 7518 §3.4); OpenSSL takes them as DER.
std::optional<std::string> der_of(std::string_view raw, std::size_t coordinate_bytes) {
  if (raw.size() != 2 * coordinate_bytes) return std::nullopt;
  const ecdsa_ptr made(ECDSA_SIG_new());
  number_ptr r(BN_bin2bn(bytes_of(raw), static_cast<int>(coordinate_bytes), nullptr));
  number_ptr s(BN_bin2bn(bytes_of(raw) + coordinate_bytes, static_cast<int>(coordinate_bytes), nullptr));
  if (!made || !r || !s || ECDSA_SIG_set0(made.get(), r.get(), s.get()) != 1) return std::nullopt;
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* out = nullptr;
  const int length = i2d_ECDSA_SIG(made.get(), &out);
  if (length <= 0) return std::nullopt;
  std::string text(reinterpret_cast<char*>(out), static_cast<std::size_t>(length));
  OPENSSL_free(out);
  return text;
}

bool verify_with(EVP_PKEY* key, const algorithm_row& by, std::string_view text, std::string_view signature) {
  std::string converted;
  if (by.coordinate_bytes > 0) {
    auto der = der_of(signature, by.coordinate_bytes);
    if (!der) return false;
    converted = std::move(*der);
    signature = converted;
  }
  const digest_context_ptr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* inner = nullptr; // of the digest's
  bool good = context != nullptr &&
              EVP_DigestVerifyInit_ex(context.get(), &inner, by.digest, nullptr, nullptr, key, nullptr) == 1;
  if (good && by.what == jwt_algorithm::ps256) {
    good = EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  good =
      good && EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  return good;
}

/// Not for encryption, and for verifying where it says for what (RFC 7517 §4.2 and §4.3).
bool is_for_signatures(const nlohmann::json& jwk) {
  if (jwk.contains("use") && member(jwk, "use") != "sig") return false;
  const auto operations = jwk.find("key_ops");
  if (operations == jwk.end()) return true;
  return operations->is_array() && std::find(operations->begin(), operations->end(), "verify") != operations->end();
}

/// Where one of the two has no name, the signature tells.
bool may_mean(const std::optional<std::string>& token, const std::optional<std::string>& key) noexcept {
  return !token || !key || *token == *key;
}

} // namespace

std::optional<jwt_algorithm> parse_algorithm(std::string_view name) noexcept {
  for (const algorithm_row& one : algorithms) {
    if (one.name == name) return one.what;
  }
  return std::nullopt;
}

std::vector<std::string> algorithm_names() {
  std::vector<std::string> names;
  for (const algorithm_row& one : algorithms) names.emplace_back(one.name);
  return names;
}

void key_set::free_key::operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }

std::optional<key_set::one_key> key_set::read(const nlohmann::json& jwk) {
  if (!jwk.is_object() || !is_for_signatures(jwk)) return std::nullopt;
  const auto kind = member(jwk, "kty"), curve = member(jwk, "crv");
  one_key made;
  made.kid = member(jwk, "kid");
  using enum jwt_algorithm;
  if (kind == "RSA") {
    made.algorithms = {rs256, rs384, rs512, ps256};
    made.key.reset(make_rsa(jwk));
  } else if (kind == "EC" && curve == "P-256") {
    made.algorithms = {es256};
    made.key.reset(make_ec(jwk, "P-256", row_of(es256).coordinate_bytes));
  } else if (kind == "EC" && curve == "P-384") {
    made.algorithms = {es384};
    made.key.reset(make_ec(jwk, "P-384", row_of(es384).coordinate_bytes));
  } else if (kind == "OKP" && curve == "Ed25519") {
    made.algorithms = {eddsa};
    made.key.reset(make_ed25519(jwk));
  }
  if (made.key == nullptr) return std::nullopt;
  if (jwk.contains("alg")) {
    const auto only = parse_algorithm(member(jwk, "alg").value_or(""));
    std::erase_if(made.algorithms, [&](jwt_algorithm one) { return one != only; });
  }
  return made;
}

result<std::shared_ptr<const key_set>> key_set::parse(std::string_view json) {
  const auto read_text = parse_strict_json(json);
  const auto keys = read_text.is_object() ? read_text.find("keys") : read_text.end();
  if (!read_text.is_object() || keys == read_text.end() || !keys->is_array())
    return fail(error_kind::broken, "keys", "they are no JSON Web Key Set (RFC 7517)");
  auto made = std::make_shared<key_set>();
  for (const auto& jwk : *keys) {
    if (made->keys_.size() >= keys_max) break;
    if (auto one = read(jwk); one && !one->algorithms.empty()) made->keys_.push_back(std::move(*one));
  }
  if (made->keys_.empty())
    return fail(error_kind::broken, "keys", "the JSON Web Key Set holds no key that verifies signatures of tokens");
  return std::shared_ptr<const key_set>(std::move(made));
}

bool key_set::verifies(const jwt& token) const {
  const auto algorithm = parse_algorithm(token.algorithm);
  if (!algorithm) return false;
  return std::any_of(keys_.begin(), keys_.end(), [&](const one_key& one) {
    const bool fits = std::find(one.algorithms.begin(), one.algorithms.end(), *algorithm) != one.algorithms.end();
    return fits && may_mean(token.kid, one.kid) &&
           verify_with(one.key.get(), row_of(*algorithm), token.signed_part, token.signature);
  });
}

} // namespace forebay::space
