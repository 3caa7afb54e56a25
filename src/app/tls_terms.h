// The TLS terms of the node's listeners: loaded at start, again at a reload and when files change.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/metrics.h"
#include "front/published.h"
#include "net/tls/server.h"

namespace forebay::app {

/// The terms in force on one listener. Shared by its loops; connections keep the terms that they began with.
using listener_terms = front::published<net::tls_server>;

/// Owner of the terms of all listeners. Used by the main thread alone; what it hands out is thread-safe.
class tls_terms {
public:
  /// New terms that are not in force yet, in the order of the listeners; null for cleartext ones.
  using prepared = std::vector<std::shared_ptr<const net::tls_server>>;

  explicit tls_terms(const clock& time);
  ~tls_terms();

  /// Reads every file that `from` names. A failure changes nothing.
  result<prepared> prepare(const config& from);
  /// Puts them into force for connections to come.
  void publish(const config& from, prepared terms);
  /// Null: the listener speaks cleartext.
  std::shared_ptr<listener_terms> of(std::size_t listener) const;
  /// Whether a file is another than it was at the last look. Blocks on the disk.
  bool files_changed();

private:
  void tell_expiry(const prepared& terms);
  void forget_expiry();

  const clock& clock_;
  std::shared_ptr<net::ticket_keys> tickets_;
  std::map<std::size_t, std::shared_ptr<listener_terms>> in_force_;
  std::vector<std::string> files_, told_; ///< watched; with a metric of their expiry
  std::string stamp_, prepared_stamp_;    ///< of the files in force; before those of `prepare` were read
};

} // namespace forebay::app
