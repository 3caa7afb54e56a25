// The keys of one issuer: fetched off the hot path, renewed ahead, served while the issuer is away.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "net/task.h"
#include "net/wait.h"
#include "space/token/key_set.h"

namespace forebay::space {

struct key_limits {
  std::chrono::seconds lifetime{6 * 3600};   ///< keys serve so long; after half of it they are asked for again
  std::chrono::milliseconds timeout{10'000}; ///< of a fetch
  std::chrono::milliseconds pause{30'000};   ///< least time between fetches for unknown keys, and after failures
};

/// Thread-safe. A fetch runs on the loop of whoever needed it first and belongs to none of those who wait.
class issuer_keys : public std::enable_shared_from_this<issuer_keys> {
public:
  using pointer = std::shared_ptr<const key_set>;
  using fetch = std::function<net::task<result<std::string>>(net::deadline until)>;

  /// `name` is the issuer's in the configuration; `time` outlives this.
  issuer_keys(std::string name, fetch get, key_limits limits, const clock& time);
  /// Keys that lie in a file: never fetched.
  issuer_keys(std::string name, pointer fixed, const clock& time);

  /// The present keys. The failure of the fetch where there are none that may still serve.
  net::task<result<pointer>> get() const;
  /// Others than `than`, which does not know a token's key, where a fetch gives others: at most one in `pause`, so that
  /// made-up names cost the issuer nothing. `than` again otherwise.
  net::task<result<pointer>> newer(pointer than) const;

private:
  struct state;
  struct finding;
  static net::task<result<pointer>> find(std::shared_ptr<state> of, pointer not_this);
  static net::task<void> run(std::shared_ptr<state> of);

  const std::shared_ptr<state> state_;
};

/// Where an issuer's keys are published.
struct keys_address {
  std::string issuer; ///< its `iss`: without `url`, what its discovery document is found by
  std::string url;    ///< of the key set; empty: as OpenID Connect Discovery 1.0 says
  std::size_t bytes_max = 256 * 1024;
};

/// A fetch over HTTP by the client of the loop. What discovery leads to elsewhere is under the address policy.
issuer_keys::fetch fetch_from(keys_address where);

} // namespace forebay::space
