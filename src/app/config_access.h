// Access in the configuration: its settings, what can be wrong with them, and what they come to for `space/`.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "app/config.h"
#include "app/config_keys.h"
#include "app/config_tls.h"
#include "base/result.h"
#include "space/access_rules.h"

namespace forebay::app {

std::span<const key_info> access_keys() noexcept;
std::span<const group_info> access_groups() noexcept;

/// Namespaces that name who may come in are not public.
void resolve_access(config& made);
/// The failure of a reload that would make a namespace public because nothing is said of it any more.
result<void> check_opened(const config& running, const config& next);
/// Contradictions and dangling names; with `touch_files`, key sets that cannot be read.
void check_access_rules(const config& made, bool touch_files, const report_mistake& report);

/// The judge of bearer tokens; null where no issuer is configured. Reads key files.
result<std::shared_ptr<space::token_judge>> make_token_judge(const config& from);
/// The rules of a namespace; null where it has none.
std::shared_ptr<const space::access_rules> make_access_rules(const config& from, const namespace_config& of,
                                                             std::shared_ptr<space::token_judge> tokens);

} // namespace forebay::app
