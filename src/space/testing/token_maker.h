// For tests: an issuer's keys, and tokens signed by them as the test wants them.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string>
#include <vector>

#include "base/base64.h"

namespace forebay::space::testing {

/// One key pair. `kind`: an algorithm of RFC 7518 ("RS256", "PS256", "ES256", "ES384", "EdDSA", ...).
class key_maker {
public:
  explicit key_maker(std::string kind, std::string kid = "k1") : kind_(std::move(kind)), kid_(std::move(kid)) {
    EVP_PKEY* made = nullptr;
    if (kind_ == "EdDSA") {
      made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    } else if (kind_.starts_with("ES")) {
      made = EVP_EC_gen(kind_ == "ES256" ? "P-256" : "P-384");
    } else {
      made = EVP_RSA_gen(2048);
    }
    key_.reset(made, EVP_PKEY_free);
  }

  nlohmann::json jwk() const {
    nlohmann::json made{{"kid", kid_}, {"use", "sig"}};
    if (kind_ == "EdDSA") {
      std::string raw(32, '\0');
      std::size_t length = raw.size();
      EVP_PKEY_get_raw_public_key(key_.get(), bytes_of(raw), &length);
      made.update({{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", base64url_encode(raw)}});
    } else if (kind_.starts_with("ES")) {
      const std::size_t size = coordinate_bytes();
      made.update({{"kty", "EC"},
                   {"crv", size == 32 ? "P-256" : "P-384"},
                   {"x", number(OSSL_PKEY_PARAM_EC_PUB_X, size)},
                   {"y", number(OSSL_PKEY_PARAM_EC_PUB_Y, size)}});
    } else {
      made.update({{"kty", "RSA"}, {"n", number(OSSL_PKEY_PARAM_RSA_N, 256)}, {"e", number(OSSL_PKEY_PARAM_RSA_E, 3)}});
    }
    return made;
  }

  /// Header and claims as they are given, signed. `algorithm`: by which, where it is another than the key's kind.
  std::string sign(const std::string& header, const std::string& claims, std::string algorithm = {}) const {
    if (algorithm.empty()) algorithm = kind_;
    const std::string text = base64url_encode(header) + "." + base64url_encode(claims);
    return text + "." + base64url_encode(signature_of(text, algorithm));
  }
  std::string token(const nlohmann::json& claims) const {
    return sign(nlohmann::json{{"alg", kind_}, {"kid", kid_}, {"typ", "JWT"}}.dump(), claims.dump());
  }

private:
  static unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
  std::size_t coordinate_bytes() const { return kind_ == "ES256" ? 32 : 48; }
  std::string number(const char* name, std::size_t size) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string raw(size, '\0');
    BN_bn2binpad(value, bytes_of(raw), static_cast<int>(size));
    BN_free(value);
    return base64url_encode(raw);
  }
  std::string signature_of(const std::string& text, const std::string& algorithm) const {
    const char* digest = algorithm == "EdDSA"        ? nullptr
                         : algorithm.ends_with("84") ? "SHA384"
                         : algorithm.ends_with("12") ? "SHA512"
                                                     : "SHA256";
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* inner = nullptr;
    EVP_DigestSignInit_ex(context.get(), &inner, digest, nullptr, nullptr, key_.get(), nullptr);
    if (algorithm.starts_with("PS")) {
      EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, RSA_PSS_SALTLEN_DIGEST);
    }
    std::string made(1024, '\0');
    std::size_t length = made.size();
    EVP_DigestSign(context.get(), bytes_of(made), &length, reinterpret_cast<const unsigned char*>(text.data()),
                   text.size());
    made.resize(length);
    return kind_.starts_with("ES") ? raw_of(made) : made;
  }
  /// The two numbers beside each other (RFC 7518 §3.4).
  std::string raw_of(const std::string& der) const {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* const both = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string raw(2 * coordinate_bytes(), '\0');
    const int size = static_cast<int>(coordinate_bytes());
    BN_bn2binpad(ECDSA_SIG_get0_r(both), bytes_of(raw), size);
    BN_bn2binpad(ECDSA_SIG_get0_s(both), bytes_of(raw) + size, size);
    ECDSA_SIG_free(both);
    return raw;
  }

  std::string kind_, kid_;
  std::shared_ptr<EVP_PKEY> key_;
};

inline std::string key_set_of(const std::vector<nlohmann::json>& keys) { return nlohmann::json{{"keys", keys}}.dump(); }

} // namespace forebay::space::testing
