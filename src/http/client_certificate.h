// What this node shows to servers that ask who it is (mutual TLS).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/tls/certificate_files.h"

namespace forebay::http {

/// A certificate with its chain and its key, in PEM and without a passphrase, that fit together.
struct client_pem {
  std::string certificates, key;
};

/// A pair of files, and what they held when they were last sound. One for all who show it, also over reloads: a renewed
/// certificate is shown from the next connection on. Thread-safe; `find` and `refresh` block on the disk.
class client_certificate {
public:
  /// The one of these files in this process, with what they hold now. invalid_input says what is wrong with them.
  static result<std::shared_ptr<client_certificate>> find(const net::certificate_files& files);
  /// Looks at the files of all that are in use. What cannot be loaded is told, and what was shown before stays.
  struct refreshed {
    std::size_t loaded = 0;
    std::vector<error> failures;
  };
  static refreshed refresh();
  /// The metric of expiry, from the start on.
  static void register_metrics();

  std::shared_ptr<const client_pem> now() const;

  explicit client_certificate(net::certificate_files files) : files_(std::move(files)) {}
  ~client_certificate();
  client_certificate(const client_certificate&) = delete;
  client_certificate& operator=(const client_certificate&) = delete;

private:
  /// True where there was something new.
  result<bool> load();

  const net::certificate_files files_;
  mutable std::mutex mutex_;
  std::shared_ptr<const client_pem> held_;
  std::string stamp_;
};

} // namespace forebay::http
