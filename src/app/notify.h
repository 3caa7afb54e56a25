// Telling the service manager how we are (sd_notify's protocol, without its library).
#pragma once

#include <string>
#include <string_view>

namespace forebay::app {

/// Sends one datagram to $NOTIFY_SOCKET, a path or "@name" of the abstract namespace; without the variable nothing
/// happens. Never fails the caller: a manager that cannot be told is logged once.
void notify_manager(const std::string& lines);

/// "READY=1", with a line for `systemctl status`.
void notify_ready(std::string_view status);
/// "RELOADING=1"; ready again follows.
void notify_reloading();
void notify_stopping(std::string_view status);

} // namespace forebay::app
