// What no single value shows: secrets in files, and settings that contradict each other. For config*.cc alone.
#pragma once

#include <vector>

#include "app/config.h"
#include "app/config_tls.h"

namespace forebay::app {

/// Adds one, unless so many are there already that the reader has seen the point.
void add_mistake(std::vector<mistake>& mistakes, mistake one);

/// Fills `value` of every secret, from its text or its file. Files are not read when `touch_files` is false.
void read_secrets(config& made, bool touch_files, std::vector<mistake>& mistakes);

/// URLs of mirrors that are none, and where they mean nothing.
void check_mirrors(const config& made, const report_mistake& report);

/// Half a pair, and with `touch_files` what is no certificate or has expired.
void check_client_certificates(const config& made, bool touch_files, const report_mistake& report);

/// Adds duplicates, dangling names and contradictions. Values that `mistakes` names already are left in peace.
void check(const config& made, bool touch_files, std::vector<mistake>& mistakes);

} // namespace forebay::app
