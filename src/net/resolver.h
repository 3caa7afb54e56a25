// Names to addresses with c-ares on the loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/task.h"
#include "net/wait.h"

namespace forebay::net {

/// Resolves host names (A and AAAA, /etc/hosts first) on the current loop and keeps answers for a short
/// time (their TTL, between 1 and 300 s; failures 1 s). One per loop; loop thread only.
class resolver {
public:
  /// `servers`: "ip[:port],..." instead of those of resolv.conf (tests, and hosts that must not be asked).
  explicit resolver(std::string servers = {});
  ~resolver();
  resolver(const resolver&) = delete;
  resolver& operator=(const resolver&) = delete;
  /// All addresses of `host` (a literal address is returned as it is). unreachable when the name does not
  /// exist or no server answers, timeout at the deadline.
  task<result<std::vector<ip_address>>> resolve(std::string host, deadline until);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace forebay::net
