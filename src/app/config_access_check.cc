// What can be wrong with the settings of access.
#include <algorithm>
#include <fmt/format.h>

#include "app/config_access.h"
#include "app/config_values.h"
#include "http/url.h"
#include "net/tls/certificate.h"
#include "space/token/key_set.h"

namespace forebay::app {
namespace {

/// One look at a configuration, mistake by mistake.
class access_checker {
public:
  access_checker(const config& made, bool touch_files, const report_mistake& report)
      : made_(made), touch_files_(touch_files), report_(report) {}

  void check_all() {
    for (std::size_t i = 0; i < made_.namespaces.size(); ++i) check_namespace(i);
    for (std::size_t i = 0; i < made_.issuers.size(); ++i) check_issuer(i);
    for (std::size_t i = 0; i < made_.grants.size(); ++i) check_grant(i);
    for (std::size_t i = 0; i < made_.signing_keys.size(); ++i) check_signing_key(i);
    if (!made_.admin.client_names.empty() && !any_asks_for_certificates("admin"))
      report_("admin.client_names", "names of certificates that no admin listener asks for",
              "a listener that serves admin with tls, client_certificates and client_ca");
  }

private:
  static std::string at(std::string_view group, std::size_t index, std::string_view rest) {
    return fmt::format("{}[{}].{}", group, index, rest);
  }
  bool any_asks_for_certificates(std::string_view role) const {
    return std::any_of(made_.listen.begin(), made_.listen.end(), [role](const listen_config& one) {
      return one.serves(role) && one.tls && one.client_certificates != "none";
    });
  }
  const issuer_config* issuer_of(const std::string& name) const {
    const auto found = std::find_if(made_.issuers.begin(), made_.issuers.end(),
                                    [&](const issuer_config& one) { return one.name == name; });
    return found == made_.issuers.end() ? nullptr : &*found;
  }
  void check_namespace(std::size_t index);
  void check_issuer(std::size_t index);
  void check_keys(std::size_t index);
  void check_grant(std::size_t index);
  void check_signing_key(std::size_t index);

  const config& made_;
  const bool touch_files_;
  const report_mistake& report_;
};

void access_checker::check_namespace(std::size_t index) {
  const namespace_config& space = made_.namespaces[index];
  if (space.is_public && (space.allow.any() || made_.has_grants(space)))
    report_(at("namespace", index, "public"), "true, with allow or grants that say who may read",
            "public = false, or none of them");
  if (!space.is_public && space.public_write)
    report_(at("namespace", index, "public_write"), "true, in a namespace that is not public",
            "false: grants, signed URLs and S3 keys say who may write there");
  for (std::size_t i = 0; i < space.allow.issuers.size(); ++i) {
    const std::string& name = space.allow.issuers[i];
    const issuer_config* const issuer = issuer_of(name);
    const std::string key = item_of(at("namespace", index, "allow.issuers"), i);
    if (issuer == nullptr) {
      report_(key, toml_string(name), "the name of an entry of [[issuers]]");
    } else if (issuer->profile == "claims") {
      report_(key, fmt::format("{}, whose tokens name no paths", toml_string(name)),
              "an issuer of the profile wlcg or scitokens; for others write [[grants]]");
    }
  }
  for (std::size_t i = 0; i < space.allow.signing_keys.size(); ++i) {
    const std::string& id = space.allow.signing_keys[i];
    const bool known = std::any_of(made_.signing_keys.begin(), made_.signing_keys.end(),
                                   [&](const signing_key_config& one) { return one.id == id; });
    if (!known)
      report_(item_of(at("namespace", index, "allow.signing_keys"), i), toml_string(id),
              "the id of an entry of [[signing_keys]]");
  }
  if (!space.allow.certificates.empty() && !any_asks_for_certificates("data") && !any_asks_for_certificates("s3"))
    report_(at("namespace", index, "allow.certificates"), "names of certificates that no listener asks for",
            "a listener with tls, client_certificates and client_ca");
}

/// https, or http on this machine: who stands between could give us other keys.
bool is_safe(const std::string& url) {
  const auto parts = http::parse_url(url);
  if (!parts || parts->credentials) return false;
  if (parts->scheme == "https") return true;
  const auto address = net::ip_address::parse(parts->host);
  return parts->scheme == "http" && (parts->host == "localhost" || parts->host == "::1" ||
                                     (address && address->is_v4() && address->bytes()[0] == 127));
}

void access_checker::check_issuer(std::size_t index) {
  const issuer_config& one = made_.issuers[index];
  if (!one.issuer.empty() && !is_safe(one.issuer))
    report_(at("issuers", index, "issuer"), toml_string(one.issuer), "an https URL (http for this machine alone)");
  for (std::size_t j = 0; j < index; ++j) {
    if (one.name == made_.issuers[j].name)
      report_(at("issuers", index, "name"), toml_string(one.name) + " twice", "each name once");
    if (one.issuer == made_.issuers[j].issuer)
      report_(at("issuers", index, "issuer"), toml_string(one.issuer) + " twice", "each issuer once");
  }
  const bool known = one.profile == "claims" || one.profile == "wlcg" || one.profile == "scitokens";
  if (!known)
    report_(at("issuers", index, "profile"), toml_string(one.profile), "\"claims\", \"wlcg\" or \"scitokens\"");
  if (one.profile == "claims" && one.audiences.empty())
    report_(fmt::format("issuers[{}]", index), "no audiences",
            "what `aud` of its tokens says of this node: else tokens for other services would be taken");
  for (std::size_t i = 0; i < one.algorithms.size(); ++i) {
    if (space::parse_algorithm(one.algorithms[i])) continue;
    report_(item_of(at("issuers", index, "algorithms"), i), toml_string(one.algorithms[i]),
            fmt::format("one of {}", fmt::join(space::algorithm_names(), ", ")));
  }
  if (one.algorithms.empty()) report_(at("issuers", index, "algorithms"), "an empty list", "at least one");
  check_keys(index);
}

void access_checker::check_keys(std::size_t index) {
  const issuer_config& one = made_.issuers[index];
  if (!one.jwks_url.empty() && !is_safe(one.jwks_url))
    report_(at("issuers", index, "jwks_url"), toml_string(one.jwks_url), "an https URL (http for this machine alone)");
  if (one.jwks_file.empty()) return;
  const std::string key = at("issuers", index, "jwks_file");
  if (!one.jwks_url.empty()) report_(key, "both jwks_file and jwks_url", "one of them");
  if (!touch_files_) return;
  const auto text = net::read_small_file(one.jwks_file, "jwks_file");
  const auto keys =
      text ? space::key_set::parse(*text) : result<std::shared_ptr<const space::key_set>>(fail(text.error()));
  if (!keys)
    report_(key, fmt::format("{} ({})", toml_string(one.jwks_file), keys.error().context),
            "a readable JSON Web Key Set with public keys");
}

void access_checker::check_grant(std::size_t index) {
  const grant_config& one = made_.grants[index];
  const auto space = std::find_if(made_.namespaces.begin(), made_.namespaces.end(),
                                  [&](const namespace_config& each) { return each.path == one.name_space; });
  if (space == made_.namespaces.end())
    report_(at("grants", index, "namespace"), toml_string(one.name_space), "the path of a [[namespace]]");
  if (!one.issuer.empty() && issuer_of(one.issuer) == nullptr)
    report_(at("grants", index, "issuer"), toml_string(one.issuer), "the name of an entry of [[issuers]]");
  if (one.claim.empty() != one.values.empty())
    report_(fmt::format("grants[{}]", index), one.claim.empty() ? "values without a claim" : "a claim without values",
            "both, or neither: then every token of the issuer will do");
  if (one.actions.empty()) report_(at("grants", index, "actions"), "an empty list", "at least one of them");
  for (std::size_t i = 0; i < one.actions.size(); ++i) {
    const std::string& action = one.actions[i];
    const std::string key = item_of(at("grants", index, "actions"), i);
    if (action != "read" && action != "list" && action != "write")
      report_(key, toml_string(action), "\"read\", \"list\" or \"write\"");
    if (action == "write" && space != made_.namespaces.end() && !space->write)
      report_(key, "\"write\" in a namespace that takes no writes", "write = true in the namespace");
  }
}

void access_checker::check_signing_key(std::size_t index) {
  const signing_key_config& one = made_.signing_keys[index];
  for (std::size_t j = 0; j < index; ++j) {
    if (one.id == made_.signing_keys[j].id)
      report_(at("signing_keys", index, "id"), toml_string(one.id) + " twice", "each id once");
  }
  const std::string key = fmt::format("signing_keys[{}]", index);
  if (one.key.text.empty() && one.key.file.empty()) {
    report_(key, "an id alone", "key or key_file");
  } else if (!one.key.value.empty() && one.key.value.size() < space::signing_secret_bytes_min) {
    report_(key, fmt::format("a secret of {} bytes", one.key.value.size()),
            fmt::format("at least {} random bytes, such as `openssl rand -hex 32` prints",
                        space::signing_secret_bytes_min));
  }
}

} // namespace

void check_access_rules(const config& made, bool touch_files, const report_mistake& report) {
  access_checker(made, touch_files, report).check_all();
}

} // namespace forebay::app
