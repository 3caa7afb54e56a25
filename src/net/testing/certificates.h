// Certificates of the tests' own making.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace forebay::net::testing {

struct test_identity {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  ~test_identity() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

inline void add_extension(X509* to, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  ASSERT_NE(extension, nullptr);
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

/// A certificate for `names` ("IP:127.0.0.1"); without issuer it is an authority of its own.
inline void make_test_identity(test_identity& made, const std::string& subject, const test_identity* issuer,
                               const std::string& names, bool rsa = false) {
  made.key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  made.certificate = X509_new();
  X509_set_version(made.certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), issuer == nullptr ? 1 : 2);
  X509_gmtime_adj(X509_getm_notBefore(made.certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.certificate), 24 * 3600);
  X509_set_pubkey(made.certificate, made.key);
  X509_NAME* const name = X509_get_subject_name(made.certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1,
                             0);
  X509* const signer = issuer == nullptr ? made.certificate : issuer->certificate;
  X509_set_issuer_name(made.certificate, X509_get_subject_name(signer));
  add_extension(made.certificate, signer, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!names.empty()) add_extension(made.certificate, signer, NID_subject_alt_name, names);
  ASSERT_NE(X509_sign(made.certificate, issuer == nullptr ? made.key : issuer->key, EVP_sha256()), 0);
}

/// Files that go with the test.
class pem_files {
public:
  pem_files() {
    char path[] = "/tmp/forebay-pem-XXXXXX";
    directory_ = ::mkdtemp(path);
  }
  ~pem_files() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  /// The path of a new file with the certificate, and of one with the key.
  std::string write_certificate(const test_identity& of) {
    const std::string path = directory_ + "/" + std::to_string(++written_) + ".pem";
    std::FILE* const file = std::fopen(path.c_str(), "we");
    PEM_write_X509(file, of.certificate);
    std::fclose(file);
    return path;
  }
  std::string write_key(const test_identity& of) {
    const std::string path = directory_ + "/" + std::to_string(++written_) + ".key";
    std::FILE* const file = std::fopen(path.c_str(), "we");
    PEM_write_PrivateKey(file, of.key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    return path;
  }

private:
  std::string directory_;
  unsigned written_ = 0;
};

} // namespace forebay::net::testing
