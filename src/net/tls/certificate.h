// Certificates with their keys, as they lie in files.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/tls/certificate_files.h"
#include "net/tls/openssl.h"

namespace forebay::net {

/// A certificate that can be shown to clients. Immutable once loaded.
struct identity {
  certificate_files files;
  x509_ptr certificate;
  std::vector<x509_ptr> chain;
  key_ptr key;
  std::string key_kind;           ///< "RSA", "EC", "ED25519"
  std::vector<std::string> names; ///< lower case: "data.example.org", "*.example.org"
  std::chrono::sys_seconds not_before, not_after;
  std::vector<std::uint8_t> ocsp;
};

/// Reads and checks: the files can be read, the key is the certificate's. Dates are not looked at. A failure's `source`
/// says which file it is about: "cert", "key" or "ocsp". Blocks on the disk.
result<identity> load_identity(const certificate_files& files);

/// A whole file, at most a mebibyte.
result<std::string> read_small_file(const std::string& path, std::string source);

/// The names that a client's certificate is known by: DNS names, URIs and addresses of its SAN; the common name only
/// where there is none (RFC 6125 §6.4.4), since authorities leave it to the one who asks.
std::vector<std::string> names_of(X509* certificate);
std::chrono::sys_seconds end_of(X509* certificate);

/// The file's certificates, of authorities for instance; at least one.
result<std::vector<x509_ptr>> read_certificates(const std::string& path, std::string source);

/// Changes when one of the files is written or replaced. Blocks on the disk.
std::string stamp_of(const std::vector<std::string>& paths);

} // namespace forebay::net
