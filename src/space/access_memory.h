// What access.cc remembers of answers, and the checks that are under way. Internal to space/.
#pragma once

#include <array>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/metrics.h"
#include "net/wait.h"
#include "origin/limiter.h"
#include "space/access.h"

namespace forebay::space {

/// One question to an origin, and who waits for it. Guarded by the table's mutex until `done`.
struct access_check {
  bool done = false;
  verdict said;
  key128 about; ///< the object that was asked for
  std::vector<net::event> waiters;
};

struct access_metrics {
  access_metrics();
  metrics::counter& remembered;
  metrics::counter& asked;
  metrics::counter& collapsed;
  metrics::counter& allowed;
  metrics::counter& unauthorised;
  metrics::counter& forbidden;
  metrics::counter& absent;
  metrics::counter& failed;
  metrics::counter& evicted;
  metrics::counter& forgotten;
  metrics::counter& refused_checks;
  metrics::counter& refused_waiters;
  metrics::gauge& held;
  /// The counter of what an origin said.
  metrics::counter& of(const result<void>& outcome) noexcept;
};

struct access_memory {
  struct answer {
    key128 name;
    verdict said;
    steady_time until{};
    wall_time token_end = wall_time::max(); ///< a clock that is set forward ends it too
  };
  using order = std::list<answer>;

  access_memory(access_limits with, const clock& clock_used);
  ~access_memory();

  /// A hash of the parts under the random key: who sees memory, or chooses tokens, learns nothing.
  key128 name_of(std::initializer_list<std::string_view> parts) const;
  /// What is remembered under the name; under the mutex.
  std::optional<verdict> recall(const key128& name);
  /// Under the mutex.
  void remember(answer made);
  /// Ends what is remembered under these names. Takes the mutex.
  void forget(std::initializer_list<key128> names);
  void drop(order::iterator at);

  const access_limits limits;
  const clock& time;
  std::array<std::uint8_t, 32> secret{};
  const std::shared_ptr<origin::limiter> places;
  access_metrics counts;

  mutable std::mutex mutex;
  order answers; ///< the most recently used first
  std::unordered_map<key128, order::iterator, key128_hash> by_name;
  std::unordered_map<key128, std::shared_ptr<access_check>, key128_hash> running;
};

} // namespace forebay::space
