// The admin listener: metrics, health, status, purge.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "front/admin/node_state.h"
#include "front/admin/purge_request.h"
#include "front/published.h"
#include "front/target.h"
#include "front/web/web_front.h"
#include "http/server.h"

namespace forebay::front {

struct admin_settings {
  std::string token; ///< empty: none is asked for (a listener on loopback alone; app/ refuses others)
  std::vector<std::string> client_names{}; ///< patterns of names of client certificates that need no token
};

/// Longest body of a request to this listener.
inline constexpr std::size_t admin_body_bytes_max = 64 * 1024;

/// One for the node, for all loops. `/healthz` and `/readyz` are open (probes carry no token); the rest asks for
/// `Authorization: Bearer` with the token where one is configured, or for a client certificate of a name that may.
class admin_front final : public http::handler {
public:
  /// `node` and `data` (for the namespaces in force) outlive the front.
  admin_front(const node_state& node, const web_front& data, std::shared_ptr<const admin_settings> settings,
              metrics::registry& registry = metrics::global());

  net::task<http::response> handle(http::request& asked) override;
  http::response refuse(const error& why, unsigned status) override;
  void update(std::shared_ptr<const admin_settings> settings) { settings_.set(std::move(settings)); }

private:
  /// Who asks, for the log: "the token", a certificate's name or "loopback"; nothing where nobody who may.
  std::optional<std::string> who_asks(const http::request& asked) const;
  net::task<http::response> purge(http::request& asked, std::string who);
  net::task<result<std::size_t>> purge(purge_request wanted) const;

  const node_state& node_;
  const web_front& data_;
  published<admin_settings> settings_;
  metrics::registry& registry_;
};

/// The placement of a path as it is written in a purge; the same words of error as a reader would get.
result<space::placement> resolve_purge_path(const space::space_map& spaces, std::string_view path);

} // namespace forebay::front
