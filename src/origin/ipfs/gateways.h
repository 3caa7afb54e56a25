// Blocks from trustless gateways: several, tried in their order, none believed.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "origin/gate.h"
#include "origin/ipfs/block_memory.h"
#include "origin/ipfs/unixfs.h"

namespace forebay::origin::ipfs {

/// How long a gateway that sent other bytes than a CID names is left alone.
inline constexpr std::chrono::seconds liar_pause{300};

/// A list of gateways, shared by all sources that name the same. Thread-safe.
class gateways : public std::enable_shared_from_this<gateways> {
public:
  /// `urls`: "https://gateway.example.org[/prefix]", checked already.
  static std::shared_ptr<gateways> find(const std::vector<std::string>& urls, const source_settings& settings);
  /// invalid_input where one is no http(s) URL, or holds a user or a query.
  static result<void> check(const std::vector<std::string>& urls);

  gateways(const std::vector<std::string>& urls, const source_settings& settings);

  /// The block that `name` names, verified. Never not_found: a gateway that does not have it, or cannot find it, says
  /// nothing about whether somebody does. unreachable when none of them gave it.
  net::task<result<std::shared_ptr<const std::string>>> block(cid name, net::deadline until);

private:
  struct gateway {
    std::string url; ///< without a slash at its end
    std::shared_ptr<gate> door;
    metrics::counter* refused;                     ///< blocks that were not what their CID names
    std::atomic<std::int64_t> left_alone_until{0}; ///< steady clock, nanoseconds; 0: not
  };
  using fetched = result<std::shared_ptr<const std::string>>;
  net::task<fetched> fetch(gateway* from, cid name, net::deadline until);
  /// One round over the gateways.
  net::task<fetched> ask_all(cid name, net::deadline until);
  /// The answer of the last hop of a request.
  net::task<result<exchange>> ask(gateway* from, std::string url, net::deadline until);
  void leave_alone(gateway& one, const cid& name);

  std::vector<std::unique_ptr<gateway>> list_;
  origin_limits limits_;
  std::string node_name_;
  block_memory remembered_; ///< inner nodes: each range of a file asks for the same
};

} // namespace forebay::origin::ipfs
