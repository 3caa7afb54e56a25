// Where certificates lie: what the configuration knows of them.
#pragma once

#include <string>

namespace forebay::net {

/// Where a certificate, its key, and an answer of its authority's OCSP responder lie.
struct certificate_files {
  std::string cert; ///< PEM: the certificate, then its chain
  std::string key;  ///< PEM, without a passphrase
  std::string ocsp; ///< DER; empty: nothing is stapled
  friend bool operator==(const certificate_files&, const certificate_files&) = default;
};

} // namespace forebay::net
