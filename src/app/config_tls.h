// TLS in the configuration: what it comes to for `net/`, and what can be wrong with it.
#pragma once

#include <functional>
#include <string>

#include "app/config.h"
#include "net/tls/server.h"

namespace forebay::app {

/// The terms of a listener with TLS.
net::tls_server_settings tls_settings_of(const config& from, const listen_config& listener);

/// Says of a key what was found and what was expected.
using report_mistake = std::function<void(const std::string& key, std::string found, std::string expected)>;

/// Contradictions, and, with `touch_files`, files that cannot be read, keys of other certificates, dates that are over.
void check_tls(const config& made, bool touch_files, const report_mistake& report);

} // namespace forebay::app
