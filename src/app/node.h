// A node: the parts of one configuration, connected and running.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/connections.h"
#include "app/guards.h"
#include "app/tls_terms.h"
#include "base/result.h"
#include "cache/cache.h"
#include "cache/cold/cold_tier.h"
#include "front/access_log.h"
#include "front/admin/admin_front.h"
#include "front/admin/node_state.h"
#include "front/mixed_front.h"
#include "front/web/web_front.h"
#include "net/loop.h"
#include "storage/disk/segment_store.h"
#include "storage/memory_tier.h"

namespace forebay::app {

/// Owner of everything that runs. Used by one thread (main), which never is a loop. The order of the members is the
/// order of their lives: loops end first, then the tiers, memory last.
class node {
public:
  /// Tiers, sources, fronts and loops; nothing listens yet.
  static result<std::unique_ptr<node>> make(config effective);
  ~node();

  /// Opens every listener on every loop; ready when it returns without an error.
  result<void> listen();
  /// Brings what can be changed while running into force, and logs what cannot. On a failure nothing has changed.
  result<void> reload(config next);
  /// Loads certificates and keys again where their files have changed. A failure is logged and leaves the old ones.
  void refresh_certificates();
  void count_failed_reload() noexcept { state_.failed_reloads.fetch_add(1); }

  /// Stops accepting; answers from now on close their connections.
  void begin_drain();
  std::int64_t open_connections() const noexcept { return state_.connections.load(); }

  const config& running() const noexcept { return running_; }
  const std::vector<front::listener_state>& listeners() const noexcept { return state_.listeners; }

private:
  explicit node(config effective);
  result<void> assemble();
  void open_disk();
  result<void> listen_on(const listen_config& wanted, std::shared_ptr<listener_terms> tls);
  result<void> open_cold(const space::space_map& spaces);
  void install_clients();
  std::shared_ptr<const connection_limits> limits_of(const config& from) const;
  std::shared_ptr<const front::web_settings> web_settings_of(const config& from,
                                                             std::shared_ptr<const space::space_map> spaces);
  static std::shared_ptr<const front::s3::s3_settings>
  s3_settings_of(const config& from, std::shared_ptr<const front::web_settings> common);
  /// What answers on a listener of these roles.
  std::shared_ptr<http::handler> front_of(const listen_config& wanted) const;
  static std::shared_ptr<const front::admin_settings> admin_settings_of(const config& from);

  config running_;
  front::node_state state_;
  std::unique_ptr<storage::memory_tier> memory_;
  std::unique_ptr<cache::cold::cold_tier> cold_;       ///< with a disk tier; takes what that lets go, to its end
  std::unique_ptr<storage::disk::segment_store> disk_; ///< null: no disk tier
  std::unique_ptr<cache::content_cache> cache_;
  std::unique_ptr<front::access_log> log_;
  const std::shared_ptr<front::digest_memory> digests_ = std::make_shared<front::digest_memory>(front::digest_limits{});
  std::shared_ptr<front::web_front> web_;
  std::shared_ptr<front::admin_front> admin_;
  std::shared_ptr<front::s3::s3_front> s3_;
  tls_terms tls_{system_clock()};
  std::shared_ptr<accept_context> accepting_;
  std::unique_ptr<guards> guards_;
  std::unique_ptr<net::loop_group> loops_;
  std::vector<std::vector<std::shared_ptr<net::listener>>> listeners_; ///< by loop; touched on that loop alone
};

/// `{"listeners": [{"address": "127.0.0.1:40000", "serve": ["data"]}, ...]}`: for tests and scripts that let the
/// system choose ports.
std::string render_addresses(const std::vector<front::listener_state>& listeners);

} // namespace forebay::app
