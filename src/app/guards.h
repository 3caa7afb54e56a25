// What stands between listeners and fronts, as the configuration wants it.
#pragma once

#include <memory>
#include <vector>

#include "app/config.h"
#include "front/guarded_front.h"
#include "net/loop.h"
#include "net/queue_delay.h"

namespace forebay::app {

/// The guard of a node's readers, and the probes of its loops. Made and used by main.
class guards {
public:
  explicit guards(const config& from);
  /// Begins to measure on every loop; they are running.
  void start(net::loop_group& loops);
  /// Ends it, on every loop; they are still running.
  void stop(net::loop_group& loops);
  void update(const config& from);
  /// `front` behind the guard.
  std::shared_ptr<http::handler> before(std::shared_ptr<http::handler> front) const;

private:
  static void set_process_limits(const config& from);
  static std::shared_ptr<const front::guard_settings> settings_of(const config& from);

  std::shared_ptr<front::guard> guard_;
  std::vector<std::unique_ptr<net::queue_probe>> probes_; ///< by loop; touched on that loop alone
};

} // namespace forebay::app
