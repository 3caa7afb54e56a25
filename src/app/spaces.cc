#include "app/spaces.h"

#include <algorithm>
#include <map>

#include "app/config_access.h"
#include "app/config_values.h"
#include "base/log.h"
#include "origin/factory.h"
#include "space/access.h"
#include "space/guarded.h"
#include "space/refusal_watch.h"

namespace forebay::app {

namespace {

void set_quotas(storage::disk::segment_store& disk, const std::vector<std::shared_ptr<const space::name_space>>& spaces,
                const space::open_store_policy& open) {
  std::map<storage::tenant_id, std::uint64_t> quotas{{storage::open_stores_tenant, open.disk.quota_bytes}};
  for (const auto& each : spaces) quotas[each->tenant] = each->disk.quota_bytes;
  disk.set_quotas(quotas);
}

/// Bytes come with the readers' tokens, unless the node has a right to read of its own.
bool carry_tokens(const config& effective, const namespace_config& wanted) {
  if (!wanted.origin_decides()) return false;
  const std::string& url = wanted.origins.front(); // the only one
  const auto named = origin_parameter(url, "credentials");
  const bool only_says_who =
      named && std::any_of(effective.credentials.begin(), effective.credentials.end(),
                           [&](const credential_config& one) { return one.name == *named && one.only_certificate(); });
  return only_says_who || !has_own_credentials(url);
}

/// The origin is asked with readers' tokens whether they may; bytes come with the node's own credentials where it has
/// some, and otherwise with those tokens, too.
result<void> let_origin_decide(space::name_space& made, const namespace_config& wanted, bool carries_tokens,
                               origin::source_settings settings, std::shared_ptr<space::access_table> table) {
  settings.carries_tokens = true;
  auto asked = origin::make_source(wanted.origins.front(), settings);
  if (!asked) return fail(asked.error());
  made.access =
      std::make_shared<space::origin_access>(made.label, wanted.access_policy, std::move(*asked), std::move(table));
  if (carries_tokens) made.origins.front() = space::watch_refusals(made.origins.front(), made.access);
  made.freshness.share_private = true;
  return {};
}

} // namespace

result<std::shared_ptr<const space::space_map>> make_spaces(const config& effective,
                                                            storage::disk::segment_store* disk) {
  const origin::source_settings common = effective.source_settings();
  const auto answers = std::make_shared<space::access_table>(effective.limits.access, system_clock());
  auto judge = make_token_judge(effective);
  if (!judge) return fail(judge.error());
  std::vector<std::shared_ptr<const space::name_space>> spaces;
  for (std::size_t i = 0; i < effective.namespaces.size(); ++i) {
    const namespace_config& wanted = effective.namespaces[i];
    auto made = std::make_shared<space::name_space>();
    made->path = wanted.path;
    made->meaning = wanted.semantics == "http" ? space::semantics::messages : space::semantics::objects;
    made->freshness = wanted.freshness;
    made->disk = wanted.disk;
    made->write = wanted.write;
    made->public_write = wanted.public_write;
    made->tell_origins = wanted.tell_origins;
    for (std::string mirror : wanted.mirrors) {
      while (mirror.ends_with('/')) mirror.pop_back();
      made->mirrors.push_back(std::move(mirror));
    }
    made->listing = wanted.listing;
    made->is_public = wanted.is_public;
    made->rules = make_access_rules(effective, wanted, *judge);
    made->bucket = wanted.bucket_name();
    made->label = wanted.path.empty() ? "/" : wanted.path;
    made->tenant = disk != nullptr ? disk->tenant_of(made->label) : static_cast<storage::tenant_id>(i + 1);
    for (std::size_t n = 0; n < wanted.origins.size(); ++n) {
      origin::source_settings settings = common;
      settings.egress_usd_per_gb = wanted.price_of(n);
      settings.carries_tokens = carry_tokens(effective, wanted);
      settings.operator_named = true; // its own host may be private; what readers name may not
      auto source = origin::make_source(wanted.origins[n], settings);
      if (!source) return fail(source.error());
      made->origins.push_back(std::move(*source));
    }
    if (wanted.origin_decides()) {
      origin::source_settings settings = common;
      settings.egress_usd_per_gb = wanted.price_of(0);
      settings.operator_named = true;
      auto decides = let_origin_decide(*made, wanted, carry_tokens(effective, wanted), std::move(settings), answers);
      if (!decides) return fail(decides.error());
    }
    spaces.push_back(std::move(made));
  }
  if (disk != nullptr) set_quotas(*disk, spaces, effective.open);
  for (const std::string& one : space::exposed_origins(spaces)) log::warn("spaces", "{}", one);
  space::open_store_policy open = effective.open;
  open.addresses.allowed = effective.network.allow_private;
  auto make = [common](std::string_view url) { return origin::make_source(url, common); };
  return std::make_shared<const space::space_map>(std::move(spaces), std::move(open), std::move(make));
}

} // namespace forebay::app
