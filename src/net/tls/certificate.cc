#include "net/tls/certificate.h"

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/text.h"

namespace forebay::net {
namespace {

constexpr std::size_t file_bytes_max = 1024 * 1024;

bio_ptr reader_of(const std::string& text) {
  return bio_ptr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// A key with a passphrase would make OpenSSL ask at the terminal.
int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

result<key_ptr> read_key(const std::string& path) {
  auto text = read_small_file(path, "key");
  if (!text) return fail(text.error());
  bool encrypted = false;
  const bio_ptr from = reader_of(*text);
  key_ptr key(PEM_read_bio_PrivateKey(from.get(), nullptr, refuse_passphrase, &encrypted));
  OPENSSL_cleanse(text->data(), text->size());
  ERR_clear_error();
  if (key) return key;
  return fail(error_kind::invalid_input, "key",
              encrypted ? "it needs a passphrase; store the key without one" : "no private key in PEM in it");
}

/// Text of an ASN.1 string without zero bytes; empty where it has some ("good.example\0.evil.example").
std::string text_of(const ASN1_STRING* from) {
  std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(from)),
                   static_cast<std::size_t>(ASN1_STRING_length(from)));
  return text.find('\0') == std::string::npos ? text : std::string();
}

std::vector<std::string> alternative_names(X509* certificate, bool dns_alone) {
  std::vector<std::string> names;
  auto* const all = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* const one = sk_GENERAL_NAME_value(all, i);
    if (one->type == GEN_DNS) names.push_back(to_lower(text_of(one->d.dNSName)));
    if (one->type == GEN_URI && !dns_alone) names.push_back(text_of(one->d.uniformResourceIdentifier));
    if (one->type == GEN_EMAIL && !dns_alone) names.push_back(text_of(one->d.rfc822Name));
  }
  GENERAL_NAMES_free(all);
  std::erase(names, std::string());
  return names;
}

std::string common_name(X509* certificate) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  return at < 0 ? std::string() : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::chrono::sys_seconds moment_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

result<std::vector<std::uint8_t>> read_ocsp(const std::string& path) {
  const auto text = read_small_file(path, "ocsp");
  if (!text) return fail(text.error());
  const auto* at = reinterpret_cast<const unsigned char*>(text->data());
  OCSP_RESPONSE* const parsed = d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(text->size()));
  const bool good = parsed != nullptr && OCSP_response_status(parsed) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
  OCSP_RESPONSE_free(parsed);
  ERR_clear_error();
  if (!good) return fail(error_kind::invalid_input, "ocsp", "no successful OCSP answer in DER");
  return std::vector<std::uint8_t>(text->begin(), text->end());
}

} // namespace

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* const words = ERR_reason_error_string(code);
  return words != nullptr ? words : fmt::format("error {:x}", code);
}

result<std::string> read_small_file(const std::string& path, std::string source) {
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return fail(error_kind::invalid_input, std::move(source), std::system_category().message(errno));
  std::string text(file_bytes_max + 1, '\0');
  errno = 0;
  text.resize(std::fread(text.data(), 1, text.size(), file));
  const int number = std::ferror(file) != 0 ? errno : 0;
  std::fclose(file);
  if (number != 0) return fail(error_kind::invalid_input, std::move(source), std::system_category().message(number));
  if (text.size() > file_bytes_max) return fail(error_kind::invalid_input, std::move(source), "more than 1 MiB");
  if (text.empty()) return fail(error_kind::invalid_input, std::move(source), "it is empty");
  return text;
}

result<std::vector<x509_ptr>> read_certificates(const std::string& path, std::string source) {
  const auto text = read_small_file(path, source);
  if (!text) return fail(text.error());
  const bio_ptr from = reader_of(*text);
  std::vector<x509_ptr> all;
  while (X509* const one = PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr)) all.emplace_back(one);
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = openssl_reason();
  if (!ended) return fail(error_kind::invalid_input, std::move(source), "a damaged certificate in it: " + reason);
  if (all.empty()) return fail(error_kind::invalid_input, std::move(source), "no certificate in PEM in it");
  return all;
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names = alternative_names(certificate, false);
  if (!names.empty()) return names;
  if (std::string name = common_name(certificate); !name.empty()) names.push_back(std::move(name));
  return names;
}

std::chrono::sys_seconds end_of(X509* certificate) { return moment_of(X509_get0_notAfter(certificate)); }

result<identity> load_identity(const certificate_files& files) {
  auto certificates = read_certificates(files.cert, "cert");
  if (!certificates) return fail(certificates.error());
  auto key = read_key(files.key);
  if (!key) return fail(key.error());
  identity made;
  made.files = files;
  made.certificate = std::move(certificates->front());
  for (std::size_t i = 1; i < certificates->size(); ++i) made.chain.push_back(std::move((*certificates)[i]));
  made.key = std::move(*key);
  if (X509_check_private_key(made.certificate.get(), made.key.get()) != 1) {
    ERR_clear_error();
    return fail(error_kind::invalid_input, "key", "it is not the key of " + files.cert);
  }
  made.key_kind = EVP_PKEY_get0_type_name(made.key.get());
  made.names = alternative_names(made.certificate.get(), true);
  if (made.names.empty()) made.names.push_back(to_lower(common_name(made.certificate.get())));
  made.not_before = moment_of(X509_get0_notBefore(made.certificate.get()));
  made.not_after = moment_of(X509_get0_notAfter(made.certificate.get()));
  if (!files.ocsp.empty()) {
    auto stapled = read_ocsp(files.ocsp);
    if (!stapled) return fail(stapled.error());
    made.ocsp = std::move(*stapled);
  }
  return made;
}

std::string stamp_of(const std::vector<std::string>& paths) {
  std::string stamp;
  for (const std::string& path : paths) {
    struct stat seen {};
    if (::stat(path.c_str(), &seen) != 0) {
      stamp += "-;";
      continue;
    }
    stamp += fmt::format("{}.{}.{}.{}.{};", seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtim.tv_sec,
                         seen.st_mtim.tv_nsec);
  }
  return stamp;
}

} // namespace forebay::net
